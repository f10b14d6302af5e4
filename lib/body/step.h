/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A step: its operations, its cgroups, its hold, and the end of all of them. */

#include "run.h"

/* Do it, from its operations to the end of its cgroups, which comes whatever went wrong before. number: from
 * 0, in its scenario. Errors as run.h has them, with the step's name in front. */
int step_run(struct run *r, const struct ktstr_step *step, unsigned number, struct kt_error *reterr);

/* Its name, or "step N": into text, which is returned. */
#define STEP_NAME_MAX 64
const char *step_name(const struct ktstr_step *step, unsigned number, char text[STEP_NAME_MAX]);

/* How long a hold lasts in a test of that duration, in ns; -EINVAL when it is none that can be. */
int hold_check(const struct ktstr_hold *hold, uint64_t duration_ms, uint64_t *ret_ns,
               struct kt_error *reterr);
