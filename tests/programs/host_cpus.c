/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that say which of the host's CPUs they want. How fair these are is not the point. */
#include <ktstr.h>

#define SMALL .cores = 1, .duration_s = 1, .max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE

KTSTR_TEST(alone, .performance_mode = true, SMALL)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(frugal, .no_perf_mode = true, .cpu_budget = 1, SMALL)
{
        return ktstr_scenario_steady(ctx);
}
