/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a cgroup's definition says, as far as that can be told before any of it is done. */

#include "run.h"

/*
 * Is it possible on this machine? Its name is that of g, which the kernel need not have; what cpuset and
 * nodes the definition gives it is noted in g. -EINVAL with the cgroup named.
 */
int definition_check(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                     struct kt_error *reterr);

/* The CPUs of a cpuset specification, or nodes of cpuset_mems, of the cgroup of that name; never none. */
int definition_cpus(const struct run *r, const char *name, const struct ktstr_cpuset *spec,
                    struct ktstr_cpus *ret, struct kt_error *reterr);
int definition_nodes(const struct run *r, const char *name, const char *mems, struct ktstr_cpus *ret,
                     struct kt_error *reterr);

/* Call cb for each group of workers that it has, until one fails; the error names the cgroup then. */
typedef int (*work_group_cb)(struct run *r, struct group *g, const struct ktstr_work_group *wg,
                             struct kt_error *reterr);
int definition_for_each_work_group(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                                   work_group_cb cb, struct kt_error *reterr);
