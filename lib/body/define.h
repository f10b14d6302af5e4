/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cgroups by their definition: made with their workers, given cpusets, removed. */

#include "run.h"

/* Make cgroups with their workers, which wait at the gate. Those above others are made first, whatever their
 * order. What was made before an error goes with the rest. */
int define_cgroups(struct run *r, const struct ktstr_cgroup *defs, unsigned n, struct kt_error *reterr);

/* Give a cgroup that is there a cpuset (KTSTR_CPUSET_UNSET: take it away). */
int define_cpuset(struct run *r, struct group *g, const struct ktstr_cpuset *spec, struct kt_error *reterr);
/* The same of CPUs that are known. */
int define_cpus(struct run *r, struct group *g, const struct ktstr_cpus *cpus, struct kt_error *reterr);

/* End who is in the groups that are `going`, all at one time, and remove them. */
int remove_groups(struct run *r, struct kt_error *reterr);
