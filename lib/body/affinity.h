/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which CPUs each worker of a group may use. */

#include <sys/types.h>

#include "../../common/error.h"
#include "../include/ktstr.h"

/*
 * The CPUs of each of n workers. cpuset is that of their cgroup, NULL: it has none; what lies outside it
 * does not count. ret has room for n, and *random is the state of the draw, and advanced. -EINVAL: there is
 * no CPU left, fewer than are to be drawn, or no such kind.
 */
int affinity_resolve(const struct ktstr_affinity *a, const struct ktstr_topo *topo,
                     const struct ktstr_cpus *cpuset, unsigned n, uint64_t *random, struct ktstr_cpus *ret,
                     struct kt_error *reterr);

/* The same errors, for any number of workers. */
int affinity_check(const struct ktstr_affinity *a, const struct ktstr_topo *topo,
                   const struct ktstr_cpus *cpuset, struct kt_error *reterr);

/* Bind a process; one that is gone is success. The kernel's -errno: -EINVAL, its cgroup has none of these.
 */
int affinity_apply(pid_t pid, const struct ktstr_cpus *cpus, struct kt_error *reterr);
