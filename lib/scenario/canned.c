/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The canned scenarios. */
#include "../include/ktstr.h"

enum ktstr_outcome ktstr_scenario_steady(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.name = "cg_0"}, {.name = "cg_1"}));
}
