/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What authors write, as the page ktstr-tests(7) shows it: every macro of ktstr.h is here once. */
#include <ktstr.h>

KTSTR_SCHEDULER(my_sched, .name = "my_sched", .binary = "scx_my_sched",
                .topology = {.numa_nodes = 1, .llcs = 2, .cores = 4, .threads = 1},
                .kernels = KTSTR_LIST("6.14", "6.15..=7.0"),
                .sched_args = KTSTR_LIST("--exit-dump-len", "1048576"));

KTSTR_TEST(basic_steady, .scheduler = &my_sched)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(smt_steady, .scheduler = &my_sched, .threads = 2)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(split, .scheduler = &my_sched, .llcs = 1, .max_gap_ms = 1500)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(KTSTR_HOLD_FULL,
                                    {.name = "left", .cpuset = ktstr_cpuset_disjoint(0, 2), .workers = 4},
                                    {.name = "right",
                                     .cpuset = ktstr_cpuset_disjoint(1, 2),
                                     .workers = 4,
                                     .work = ktstr_bursty(50, 100)}));
}

static void count(struct ktstr_worker *w)
{
        for (;;)
                ktstr_worker_progress(w, 1);
}

static enum ktstr_outcome look(struct ktstr_ctx *ctx)
{
        ktstr_note(ctx, "%u LLCs", ctx->topo->n_llcs);
        ktstr_metric(ctx, "llcs", ctx->topo->n_llcs, "");
        return ctx->topo->n_llcs > 0 ? KTSTR_PASS : ktstr_fail(ctx, "no LLC");
}

KTSTR_TEST(all_of_it, .scheduler = &my_sched, .ignore = true)
{
        const struct ktstr_scenario scenario = {
                KTSTR_CGROUPS({.name = "backdrop", .workers = 1, .work = ktstr_yield_heavy()}),
                KTSTR_STEPS(KTSTR_STEP(KTSTR_HOLD_FRAC(0.25), {.name = "a", .cpu_weight = 200}),
                            KTSTR_STEP_OPS(KTSTR_HOLD_LOOP(0.5, 100),
                                           KTSTR_OPS(ktstr_op_freeze_cgroup("backdrop"),
                                                     ktstr_op_thaw_cgroup("backdrop"), ktstr_op_call(look)),
                                           {.name = "b",
                                            KTSTR_WORKS({.workers = 1, .work = ktstr_custom("count", count)},
                                                        {.workers = 2, .work = ktstr_pipe_io(0), .nice = 5},
                                                        {.workers_pct = 50,
                                                         .policy = KTSTR_BATCH,
                                                         .work = ktstr_sequence({KTSTR_PHASE_SPIN, 5},
                                                                                {KTSTR_PHASE_SLEEP, 5})})}),
                            {.name = "after",
                             .hold = KTSTR_HOLD_FIXED_MS(100),
                             KTSTR_OPS(ktstr_op_cpu_storm(2, 10))}),
                .checks = &(const struct ktstr_checks){.max_gap_ms = 3000},
        };

        return ktstr_worse(look(ctx), ktstr_run_scenario(ctx, &scenario));
}
