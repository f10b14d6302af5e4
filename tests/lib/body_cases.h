/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What body-driver runs beside the scenarios: each a use of steps and operations whose outcome
 * tests/e2e/test_steps.py knows. */

#include "../../lib/include/ktstr.h"

struct body_case {
        const char *name;
        enum ktstr_outcome (*func)(struct ktstr_ctx *ctx);
};

extern const struct body_case body_cases[];
extern const size_t n_body_cases;
