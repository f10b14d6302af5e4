/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scheduling policies and nice values of workers. */

#include <sys/types.h>

#include "../../common/error.h"
#include "../include/ktstr.h"

/* 0, or -EINVAL with what it may be: one that the kernel would not take, a nice value beyond -20 to 19, or a
 * priority that the agent and the body keep for themselves (proto/bodymsg.h). */
int policy_check(const struct ktstr_policy *p, int nice, struct kt_error *reterr);

/* Give one that has passed policy_check() to a process that waits; one that is gone is success. The kernel's
 * -errno, told with what it lacks: -EBUSY, there is no bandwidth left for DEADLINE; -EPERM, it has a cpuset
 * or an affinity, which that may not; -EINVAL, there is no SCHED_EXT. */
int policy_apply(pid_t pid, const struct ktstr_policy *p, int nice, struct kt_error *reterr);
