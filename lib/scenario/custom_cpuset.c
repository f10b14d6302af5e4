/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cpusets that come, go, and change places under work that is not equal. */

#include "shape.h"

/* One of three stays without. */
enum ktstr_outcome ktstr_custom_cpuset_apply_midrun(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}, {.name = "cg_2"}),
                   KTSTR_STEPS(WAIT(0.5), {.hold = KTSTR_HOLD_FRAC(0.5),
                                           KTSTR_OPS(ktstr_op_set_cpuset("cg_0", scenario_half(0)),
                                                     ktstr_op_set_cpuset("cg_1", scenario_half(1)))}));
}

/* One of three never had any. */
enum ktstr_outcome ktstr_custom_cpuset_clear_midrun(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)},
                                 {.name = "cg_1", .cpuset = scenario_half(1)}, {.name = "cg_2"}),
                   KTSTR_STEPS(WAIT(0.5),
                               {.hold = KTSTR_HOLD_FRAC(0.5),
                                KTSTR_OPS(ktstr_op_clear_cpuset("cg_0"), ktstr_op_clear_cpuset("cg_1"))}));
}

/* The one's grows into the other's, and back out of it. */
enum ktstr_outcome ktstr_custom_cpuset_resize(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_cpuset small = ktstr_cpuset_range(0, scenario_frac(ctx, 0.25));
        return RUN(
                ctx,
                KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)},
                              {.name = "cg_1", .cpuset = scenario_half(1)}),
                KTSTR_STEPS(WAIT(0.25),
                            {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_OPS(ktstr_op_set_cpuset("cg_0", small))},
                            {.hold = KTSTR_HOLD_FRAC(0.25),
                             KTSTR_OPS(ktstr_op_set_cpuset("cg_0", ktstr_cpuset_range(0, 1)))},
                            {.hold = KTSTR_HOLD_FRAC(0.25),
                             KTSTR_OPS(ktstr_op_set_cpuset("cg_0", scenario_half(0)))}));
}

enum ktstr_outcome ktstr_custom_cpuset_swap_disjoint(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)},
                                 {.name = "cg_1", .cpuset = scenario_half(1)}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_beat_ms(ctx)),
                                KTSTR_OPS(ktstr_op_swap_cpusets("cg_0", "cg_1"))}));
}

enum ktstr_outcome ktstr_custom_cpuset_workload_imbalance(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS(
                           {.name = "cg_0", .cpuset = scenario_half(0), .workers = scenario_workers(ctx, 4)},
                           {.name = "cg_1", .cpuset = scenario_half(1), .work = ktstr_bursty(20, 80)}),
                   THROUGHOUT);
}

/* Each may use all CPUs for a while, the other only its half. */
enum ktstr_outcome ktstr_custom_cpuset_change_imbalance(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_cpuset whole = ktstr_cpuset_range(0, 1);
        return RUN(ctx,
                   KTSTR_CGROUPS(
                           {.name = "cg_0", .cpuset = scenario_half(0), .workers = scenario_workers(ctx, 3)},
                           {.name = "cg_1", .cpuset = scenario_half(1)}),
                   KTSTR_STEPS(WAIT(0.3),
                               {.hold = KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_set_cpuset("cg_0", whole))},
                               {.hold = KTSTR_HOLD_FRAC(0.4),
                                KTSTR_OPS(ktstr_op_set_cpuset("cg_0", scenario_half(0)),
                                          ktstr_op_set_cpuset("cg_1", whole))}));
}

enum ktstr_outcome ktstr_custom_cpuset_load_shift(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const int more = scenario_workers(ctx, 2);
        return RUN(
                ctx,
                KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)},
                              {.name = "cg_1", .cpuset = scenario_half(1)}),
                KTSTR_STEPS(
                        {.hold = KTSTR_HOLD_FRAC(0.5),
                         KTSTR_CGROUPS({.name = "load_0", .cpuset = scenario_half(0), .workers = more})},
                        {.hold = KTSTR_HOLD_FRAC(0.5),
                         KTSTR_CGROUPS({.name = "load_1", .cpuset = scenario_half(1), .workers = more})}));
}

enum ktstr_outcome ktstr_custom_cpuset_numa_swap(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_nodes(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = ktstr_cpuset_numa(0)},
                                 {.name = "cg_1", .cpuset = ktstr_cpuset_numa(1)}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_beat_ms(ctx)),
                                KTSTR_OPS(ktstr_op_swap_cpusets("cg_0", "cg_1"))}));
}
