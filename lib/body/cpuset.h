/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which CPUs a cpuset specification means on this machine. */

#include "../../common/error.h"
#include "../include/ktstr.h"

/* 0 and never an empty set, whatever is offline meanwhile; or -EINVAL with what is wrong. KTSTR_CPUSET_UNSET
 * is that too: it has no CPUs to mean. */
int cpuset_resolve(const struct ktstr_cpuset *spec, const struct ktstr_topo *topo, struct ktstr_cpus *ret,
                   struct kt_error *reterr);
