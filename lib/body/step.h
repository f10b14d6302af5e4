/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A step: its operations, its cgroups, its hold, and the end of all of them. */

#include "run.h"

int step_run(struct run *r, const struct ktstr_step *step, unsigned number, struct kt_error *reterr);

/* How long a hold lasts in a test of that duration. */
int hold_check(const struct ktstr_hold *hold, uint64_t duration_ms, uint64_t *ret_ns,
               struct kt_error *reterr);
