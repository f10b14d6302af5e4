/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a cgroup's definition limits: cpu.max, memory.high and their like. */

#include "cgroup.h"

#include "../include/ktstr.h"

/* Are they numbers that make sense? */
int limits_check(const struct ktstr_cgroup *def, struct kt_error *reterr);

/* Write those that are set, of a cgroup that is there; the controllers that they need become enabled. */
int limits_apply(struct scribe *s, const char *dir, const struct ktstr_cgroup *def, struct kt_error *reterr);
