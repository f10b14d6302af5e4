/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subject `test` runs. */
#include <ktstr.h>

KTSTR_TEST(empty)
{
        return KTSTR_PASS;
}

/* A busy machine's figures are for the report, and no reason to stop it. */
KTSTR_TEST(steady, .max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE)
{
        return ktstr_scenario_steady(ctx);
}
