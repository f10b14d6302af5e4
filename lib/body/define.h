/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cgroups by their definition: made with their workers, given cpusets, removed. */

#include "run.h"

/* Make cgroups with their workers, which wait at the gate. Those above others are made first, whatever their
 * order. defs have passed definition_check(); what they point to is read as long as their workers and
 * payloads live. Errors as run.h has them, with the cgroup named: -EEXIST, there is one of that name;
 * -ENOMEM, also where the machine has none for so many workers; what the kernel refuses. What was made
 * before an error goes with the rest. */
int define_cgroups(struct run *r, const struct ktstr_cgroup *defs, unsigned n, struct kt_error *reterr);

/* Give a cgroup that is there a cpuset (KTSTR_CPUSET_UNSET: take it away). -EINVAL: it means no CPUs, or
 * some that are not in the cpuset of a cgroup above; else as cgroup_enable() and cgroup_write(). */
int define_cpuset(struct run *r, struct group *g, const struct ktstr_cpuset *spec, struct kt_error *reterr);
/* The same of CPUs that are known. */
int define_cpus(struct run *r, struct group *g, const struct ktstr_cpus *cpus, struct kt_error *reterr);

/* End who is in the groups that are `going`, all at one time, and remove them. The first error, after all
 * were tried: those stay `going`. -ETIMEDOUT: somebody does not die; RUN_OVER: it was over before all were
 * dead. */
int remove_groups(struct run *r, struct kt_error *reterr);
