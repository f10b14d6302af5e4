/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that are run, in guests and on the host: each comes to an end of its own kind. */
#include <signal.h>
#include <string.h>

#include <ktstr.h>

/* In half a second on a CPU that is shared with other guests nobody's share is fair. */
KTSTR_SCHEDULER(fixture, .name = "fixture", .binary = "scx_ktstr", .topology = {.llcs = 1, .cores = 2},
                .checks = {.max_spread_pct = KTSTR_NONE});
KTSTR_SCHEDULER(crashing, .name = "crashing", .binary = "scx_ktstr", .topology = {.llcs = 1, .cores = 2},
                .sched_args = KTSTR_LIST("--crash-after", "1"));

KTSTR_TEST(steady, .scheduler = &fixture, .duration_s = 1)
{
        return ktstr_scenario_steady(ctx);
}

/* It has what the scheduler and the test declare. */
KTSTR_TEST(told, .scheduler = &fixture, .duration_s = 0.5, .workers_per_cgroup = 3, .threads = 2)
{
        if (ctx->workers != 3 || ctx->duration_ms != 500 || ctx->topo->threads != 2 || !ctx->scheduler ||
            strcmp(ctx->scheduler, "fixture") != 0)
                return ktstr_fail(ctx, "%u workers, %llu ms, %u threads, %s", ctx->workers,
                                  (unsigned long long)ctx->duration_ms, ctx->topo->threads,
                                  ctx->scheduler ? ctx->scheduler : "EEVDF");
        ktstr_note(ctx, "seed %llu", (unsigned long long)ctx->seed);
        return KTSTR_PASS;
}

KTSTR_TEST(failing, .scheduler = &fixture, .duration_s = 0.5)
{
        return ktstr_fail(ctx, "lost %d wake-ups", 3);
}

KTSTR_TEST(crash_is_expected, .scheduler = &crashing, .duration_s = 30, .expect_err = KTSTR_ON,
           .expect_scx_bpf_error_contains = "ktstr: host-triggered crash")
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(other_crash_is_expected, .scheduler = &crashing, .duration_s = 30, .expect_err = KTSTR_ON,
           .expect_scx_bpf_error_contains = "something else")
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(no_crash_where_one_is_expected, .scheduler = &fixture, .duration_s = 0.5, .expect_err = KTSTR_ON)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(skipped)
{
        return ktstr_skip(ctx, "not here");
}

KTSTR_TEST(segfault)
{
        raise(SIGSEGV);
        return KTSTR_PASS;
}

KTSTR_TEST(on_host, .host_only = KTSTR_ON, .duration_s = 0.5)
{
        return ctx->scheduler ? ktstr_fail(ctx, "a scheduler: %s", ctx->scheduler) : KTSTR_PASS;
}
