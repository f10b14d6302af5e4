/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Several inequalities at once. Those called no_ctrl are in cgroups below one that has no controllers turned
 * on for them: to the scheduler all their tasks are of one cgroup, though they are in several.
 */

#include "shape.h"

/* Unlike: who is added comes later. */
enum ktstr_outcome ktstr_custom_interaction_add_load_imbalance(struct ktstr_ctx *ctx)
{
        const struct ktstr_work_group more = {.workers = scenario_workers(ctx, 3)};

        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.5),
                               {.hold = KTSTR_HOLD_FRAC(0.5), KTSTR_OPS(ktstr_op_spawn("cg_0", more))}),
                   .checks = &scenario_unlike);
}

/* Unlike: of the spinning workers some share their CPU with those that come and go, and some do not. */
enum ktstr_outcome ktstr_custom_interaction_imbalance_mixed_workload(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_spin", .workers = scenario_workers(ctx, 4)},
                                 {.name = "cg_bursty", .work = ktstr_bursty(20, 80)},
                                 {.name = "cg_io", .workers = 1, .work = ktstr_io_sync()},
                                 {.name = "cg_yield", .workers = 1, .work = ktstr_yield_heavy()}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

/* Unlike: of a load that is there for a quarter of a short test, chance decides who has more turns. */
enum ktstr_outcome ktstr_custom_interaction_load_oscillation(struct ktstr_ctx *ctx)
{
        const struct ktstr_cgroup left = {.name = "left/load", .workers = scenario_workers(ctx, 2)},
                                  right = {.name = "right/load", .workers = scenario_workers(ctx, 2)};

        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "left", .workers = KTSTR_NONE}, {.name = "left/base"},
                                 {.name = "right", .workers = KTSTR_NONE}, {.name = "right/base"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_CGROUPS(left)},
                               {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_CGROUPS(right)},
                               {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_CGROUPS(left)},
                               {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_CGROUPS(right)}),
                   .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_custom_interaction_4way_load_imbalance(struct ktstr_ctx *ctx)
{
        const int unit = ctx->workers > 1 ? (int)ctx->workers / 2 : 1;

        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .workers = unit}, {.name = "cg_1", .workers = 2 * unit},
                                 {.name = "cg_2", .workers = 4 * unit},
                                 {.name = "cg_3", .workers = 8 * unit}),
                   THROUGHOUT);
}

/* The most work has the fewest CPUs. */
enum ktstr_outcome ktstr_custom_interaction_cpuset_imbalance_combined(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const double few = scenario_frac(ctx, 0.25);
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0",
                                  .cpuset = ktstr_cpuset_range(0, few),
                                  .workers = scenario_workers(ctx, 3)},
                                 {.name = "cg_1", .cpuset = ktstr_cpuset_range(few, 1)}),
                   THROUGHOUT);
}

/* Unlike: a worker on a CPU that is in both cpusets shares it with more than one on its cgroup's own. */
enum ktstr_outcome ktstr_custom_interaction_cpuset_overlap_imbalance_combined(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0",
                                  .cpuset = ktstr_cpuset_overlap(0, 2, 0.5),
                                  .workers = scenario_workers(ctx, 3)},
                                 {.name = "cg_1", .cpuset = ktstr_cpuset_overlap(1, 2, 0.5)}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

/* Unlike: as with mixed work. */
enum ktstr_outcome ktstr_custom_interaction_io_compute_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_io", .work = ktstr_io_sync()},
                                 {.name = "cg_compute",
                                  .workers = scenario_workers(ctx, 2),
                                  .work = ktstr_cache_pressure(0, 0)}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

/* --- without controllers --- */

#define BARE                                                                                                \
        {                                                                                                   \
                .name = "bare", .workers = KTSTR_NONE, .no_controllers = true                               \
        }

/* The two change places: one goes by a third. */
enum ktstr_outcome ktstr_custom_interaction_no_ctrl_task_migration(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS(BARE, {.name = "bare/cg_0"}, {.name = "bare/cg_1"},
                                 {.name = "bare/hop", .workers = KTSTR_NONE}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_beat_ms(ctx)),
                                KTSTR_OPS(ktstr_op_move_all_tasks("bare/cg_0", "bare/hop"),
                                          ktstr_op_move_all_tasks("bare/cg_1", "bare/cg_0"),
                                          ktstr_op_move_all_tasks("bare/hop", "bare/cg_1"))}));
}

enum ktstr_outcome ktstr_custom_interaction_no_ctrl_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS(BARE, {.name = "bare/cg_0", .workers = scenario_workers(ctx, 3)},
                                 {.name = "bare/cg_1"}),
                   THROUGHOUT);
}

/* What cpusets would do, by affinity. */
enum ktstr_outcome ktstr_custom_interaction_no_ctrl_cpuset_change(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_affinity one = {.kind = KTSTR_AFFINITY_CPUS, .cpus = scenario_half(0)},
                                    other = {.kind = KTSTR_AFFINITY_CPUS, .cpus = scenario_half(1)};
        return RUN(ctx,
                   KTSTR_CGROUPS(BARE, {.name = "bare/cg_0", .affinity = one},
                                 {.name = "bare/cg_1", .affinity = other}),
                   KTSTR_STEPS(WAIT(0.5), {.hold = KTSTR_HOLD_FRAC(0.5),
                                           KTSTR_OPS(ktstr_op_set_affinity("bare/cg_0", other),
                                                     ktstr_op_set_affinity("bare/cg_1", one))}));
}

/* Unlike: who is added comes later. */
enum ktstr_outcome ktstr_custom_interaction_no_ctrl_load_imbalance(struct ktstr_ctx *ctx)
{
        const struct ktstr_work_group more = {.workers = scenario_workers(ctx, 3)};

        return RUN(ctx, KTSTR_CGROUPS(BARE, {.name = "bare/cg_0"}, {.name = "bare/cg_1"}),
                   KTSTR_STEPS(WAIT(0.5),
                               {.hold = KTSTR_HOLD_FRAC(0.5), KTSTR_OPS(ktstr_op_spawn("bare/cg_0", more))}),
                   .checks = &scenario_unlike);
}
