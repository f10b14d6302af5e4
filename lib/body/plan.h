/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A scenario looked through before anything of it is done: what is wrong in its last step is told before its
 * first one has run for minutes.
 */

#include "run.h"

/*
 * 0, or -errno with the error that its time would bring, step and cgroup or operation in front of it: holds,
 * names, limits, cpusets and affinities on this topology, nodes, policies, the numbers of workers, and what
 * an operation has to name. Nothing is made, and the kernel is asked only whether it has a memory policy and
 * the scheduler its globals. RUN_OVER: that one is gone.
 *
 * What comes of operations before is known in its time alone, and told then: which cgroups there are, what
 * cpuset one has whose workers an operation makes or binds, which CPUs are online, how much memory is free.
 */
int plan_check(struct run *r, struct kt_error *reterr);
