/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Much of everything: cgroups, tasks, kinds of work. */

#include "shape.h"

static unsigned least(unsigned a, unsigned b)
{
        return a < b ? a : b;
}

enum ktstr_outcome ktstr_custom_stress_per_cpu(struct ktstr_ctx *ctx)
{
        const unsigned n = least(scenario_cpus(ctx), SCENARIO_CGROUPS_MAX);
        struct ktstr_cgroup *cgroups = scenario_cgroups(n, &(struct ktstr_cgroup){});

        for (unsigned i = 0; i < n; i++)
                cgroups[i].cpuset = ktstr_cpuset_disjoint(i, n);
        return RUN(ctx, .cgroups = cgroups, .n_cgroups = n, THROUGHOUT);
}

/* Eight a CPU, of a worker each that mostly sleeps, so that all of them are served. Fleeting: with many CPUs
 * most of a part of the time goes by before the last of them is there. */
enum ktstr_outcome ktstr_custom_stress_exhaust_reuse(struct ktstr_ctx *ctx)
{
        const unsigned n = least(8 * scenario_cpus(ctx), SCENARIO_CGROUPS_MAX);
        const struct ktstr_cgroup like = {.workers = 1, .work = ktstr_bursty(1, 50)};
        const struct ktstr_step all = {
                .hold = KTSTR_HOLD_FRAC(0.25), .cgroups = scenario_cgroups(n, &like), .n_cgroups = n};

        return RUN(ctx, KTSTR_CGROUPS({.name = "stays"}), KTSTR_STEPS(WAIT(0.25), all, all, all),
                   .checks = &scenario_fleeting);
}

/* All of them come and go in milliseconds: whatever is shared among CPUs is contended for. */
enum ktstr_outcome ktstr_custom_stress_dsq_contention(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0",
                                  .workers = (int)least(16 * scenario_cpus(ctx), 512),
                                  .work = ktstr_bursty(1, 2)}),
                   THROUGHOUT);
}

/* --- many kinds of work. Unlike: they are --- */

/* Two of each: enough for pairs. In four parts, so that each has something that computes, something that
 * waits for others, and something that changes what it is. */
#define PAIR(...)                                                                                           \
        {                                                                                                   \
                .workers = 2, .work = __VA_ARGS__                                                           \
        }
#define VARIETY_0 PAIR(ktstr_cpu_spin()), PAIR(ktstr_pipe_io(0)), PAIR(ktstr_fork_exit())
#define VARIETY_1 PAIR(ktstr_bursty(20, 30)), PAIR(ktstr_futex_ping_pong(0)), PAIR(ktstr_affinity_churn(0))
#define VARIETY_2 PAIR(ktstr_cache_pressure(0, 0)), PAIR(ktstr_mutex_contention(2, 0, 0))
#define VARIETY_3 PAIR(ktstr_page_fault_churn(0, 0, 0)), PAIR(ktstr_io_sync()), PAIR(ktstr_mixed())
/* In a cgroup of its own: at nice -20 it has a right to 87 times what its neighbours have, who then do
 * nothing for a second, and rightly so. */
#define SWEEPS .workers = 2, .work = ktstr_nice_sweep()

enum ktstr_outcome ktstr_custom_stress_workload_variety(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", KTSTR_WORKS(VARIETY_0)},
                                 {.name = "cg_1", KTSTR_WORKS(VARIETY_1)},
                                 {.name = "cg_2", KTSTR_WORKS(VARIETY_2)},
                                 {.name = "cg_3", KTSTR_WORKS(VARIETY_3)}, {.name = "cg_4", SWEEPS}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_stress_cpuset_workload_variety(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS(
                           {.name = "cg_0", .cpuset = scenario_half(0), KTSTR_WORKS(VARIETY_0, VARIETY_1)},
                           {.name = "cg_1", .cpuset = scenario_half(1), KTSTR_WORKS(VARIETY_2, VARIETY_3)},
                           {.name = "cg_2", .cpuset = scenario_half(1), SWEEPS}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_stress_dynamic_workload_variety(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "stays"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_FRAC(0.5),
                                KTSTR_CGROUPS({.name = "cg_0", KTSTR_WORKS(VARIETY_0)},
                                              {.name = "cg_1", KTSTR_WORKS(VARIETY_1)})},
                               {.hold = KTSTR_HOLD_FRAC(0.5),
                                KTSTR_CGROUPS({.name = "cg_2", KTSTR_WORKS(VARIETY_2)},
                                              {.name = "cg_3", KTSTR_WORKS(VARIETY_3)},
                                              {.name = "cg_4", SWEEPS})}),
                   .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_stress_cpuset_cross_llc_race(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_llcs(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = ktstr_cpuset_llc(0)},
                                 {.name = "cg_1", .cpuset = ktstr_cpuset_llc(1)}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_rush_ms(ctx)),
                                KTSTR_OPS(ktstr_op_swap_cpusets("cg_0", "cg_1"))}));
}
