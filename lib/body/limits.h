/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a cgroup's definition limits: cpu.max, memory.high and their like. */

#include "cgroup.h"

#include "../include/ktstr.h"

/* Are they numbers that make sense? 0, or -EINVAL with the field, what it may be and what it is. */
int limits_check(const struct ktstr_cgroup *def, struct kt_error *reterr);

/* Write those that are set, of a cgroup that is there (its folder), and have passed limits_check(); the
 * controllers that they need become enabled. Errors as of cgroup_enable() and cgroup_write(): those before
 * it are written then. */
int limits_apply(struct sysfs_writer *s, const char *dir, const struct ktstr_cgroup *def,
                 struct kt_error *reterr);
