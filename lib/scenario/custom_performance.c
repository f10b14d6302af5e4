/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Caches and wake-ups. What a scheduler makes of them is in the metrics; a test that wants to judge it sets
 * thresholds of its own (max_p99_wake_latency_ns, min_iteration_rate). Unlike, but for those who are woken
 * together: a light cgroup's share depends on which CPU it is on.
 */

#include "shape.h"

/* More than a core's own cache, less than an LLC. */
#define HEAVY_KIB 2048

enum ktstr_outcome ktstr_custom_performance_cache_pressure_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_heavy",
                                  .workers = scenario_workers(ctx, 2),
                                  .work = ktstr_cache_pressure(HEAVY_KIB, 0)},
                                 {.name = "cg_light", .work = ktstr_bursty(10, 90)}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_performance_cache_yield_wake_affine(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_yield", .work = ktstr_cache_yield(HEAVY_KIB, 0)},
                                 {.name = "cg_wake",
                                  .workers = scenario_workers(ctx, 2),
                                  .work = ktstr_futex_ping_pong(0)}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_performance_cache_pipe_io_compute_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_pipe",
                                  .workers = scenario_workers(ctx, 2),
                                  .work = ktstr_cache_pipe(HEAVY_KIB, 0)},
                                 {.name = "cg_io", .workers = 1, .work = ktstr_io_sync()},
                                 {.name = "cg_compute"}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

/* In each of two cgroups a messenger with four that it wakes, for each eight CPUs. */
static enum ktstr_outcome fan_out(struct ktstr_ctx *ctx, struct ktstr_work work)
{
        const unsigned teams = (ktstr_cpus_count(&ctx->topo->all) + 7) / 8;
        const int workers = (int)(5 * (teams < 8 ? teams : 8));

        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .workers = workers, .work = work},
                                 {.name = "cg_1", .workers = workers, .work = work}),
                   THROUGHOUT);
}

enum ktstr_outcome ktstr_custom_performance_fan_out_wake(struct ktstr_ctx *ctx)
{
        return fan_out(ctx, ktstr_futex_fan_out(4, 0));
}

enum ktstr_outcome ktstr_custom_performance_fan_out_compute(struct ktstr_ctx *ctx)
{
        /* A quarter of the default's memory: a round is over once all four are done, and there have to be
         * many in a short test on emulated CPUs. */
        return fan_out(ctx, ktstr_fan_out_compute(4, 64, 2, 0));
}
