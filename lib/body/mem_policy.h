/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From which NUMA nodes a worker has its memory. */

#include "../../common/error.h"
#include "../include/ktstr.h"

/*
 * Is it possible here, for workers whose cgroup allows these nodes (NULL: all)? -EINVAL with what is wrong,
 * or the kernel's -errno with what it has to be. It is tried on the calling process, whose own policy is the
 * default one then.
 */
int mem_policy_check(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo,
                     const struct ktstr_cpus *nodes, struct kt_error *reterr);

/* Of the calling process. 0, or the kernel's -errno. */
int mem_policy_apply(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo);
