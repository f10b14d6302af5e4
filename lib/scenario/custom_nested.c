/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trees of cgroups. Tasks are in the leaves only: the kernel wants that of cgroups with controllers. */

#include "shape.h"

/* A cgroup that only has others in it. */
#define INNER(name_)                                                                                        \
        {                                                                                                   \
                .name = name_, .workers = KTSTR_NONE                                                        \
        }

enum ktstr_outcome ktstr_custom_nested_steady(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS(INNER("top"), INNER("top/left"), INNER("top/right"),
                                 {.name = "top/left/cg_0"}, {.name = "top/left/cg_1"},
                                 {.name = "top/right/cg_2"}),
                   THROUGHOUT);
}

/* Up from the deepest, across to another branch, down again. */
enum ktstr_outcome ktstr_custom_nested_task_move(struct ktstr_ctx *ctx)
{
        return RUN(
                ctx,
                KTSTR_CGROUPS(INNER("top"), INNER("top/left"), INNER("top/right"), INNER("top/right/low"),
                              {.name = "top/right/low/cg_0"}, INNER("top/high"), INNER("top/left/across"),
                              {.name = "top/left/cg_1"}),
                KTSTR_STEPS(WAIT(0.25),
                            {.hold = KTSTR_HOLD_FRAC(0.25),
                             KTSTR_OPS(ktstr_op_move_all_tasks("top/right/low/cg_0", "top/high"))},
                            {.hold = KTSTR_HOLD_FRAC(0.25),
                             KTSTR_OPS(ktstr_op_move_all_tasks("top/high", "top/left/across"))},
                            {.hold = KTSTR_HOLD_FRAC(0.25),
                             KTSTR_OPS(ktstr_op_move_all_tasks("top/left/across", "top/right/low/cg_0"))}));
}

/* Fleeting: the tree is gone as soon as it is there. */
enum ktstr_outcome ktstr_custom_nested_rapid_churn(struct ktstr_ctx *ctx)
{
        return RUN(
                ctx, KTSTR_CGROUPS(INNER("top"), {.name = "top/cg_0"}),
                KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_rush_ms(ctx)),
                             KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup)INNER("top/churn")),
                                       ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "top/churn/leaf"}),
                                       ktstr_op_remove_cgroup("top/churn/leaf"),
                                       ktstr_op_remove_cgroup("top/churn"))}),
                .checks = &scenario_fleeting);
}

enum ktstr_outcome ktstr_custom_nested_cpuset(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "top", .cpuset = ktstr_cpuset_range(0, 1), .workers = KTSTR_NONE},
                                 {.name = "top/left", .cpuset = scenario_half(0)},
                                 {.name = "top/right", .cpuset = scenario_half(1), .workers = KTSTR_NONE},
                                 {.name = "top/right/all_of_it"},
                                 {.name = "top/right/same", .cpuset = scenario_half(1)}),
                   THROUGHOUT);
}

/* The deeper the more. */
enum ktstr_outcome ktstr_custom_nested_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0"}, INNER("top"),
                                 {.name = "top/cg_1", .workers = scenario_workers(ctx, 2)}, INNER("top/low"),
                                 {.name = "top/low/cg_2", .workers = scenario_workers(ctx, 4)}),
                   THROUGHOUT);
}

/* To the scheduler all are of one cgroup, "bare", though they are in several (see custom_interaction.c),
 * which change places. */
enum ktstr_outcome ktstr_custom_nested_no_ctrl(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "bare", .workers = KTSTR_NONE, .no_controllers = true},
                                 {.name = "bare/cg_0"}, INNER("bare/low"), {.name = "bare/low/cg_1"},
                                 INNER("bare/hop")),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_beat_ms(ctx)),
                                KTSTR_OPS(ktstr_op_move_all_tasks("bare/cg_0", "bare/hop"),
                                          ktstr_op_move_all_tasks("bare/low/cg_1", "bare/cg_0"),
                                          ktstr_op_move_all_tasks("bare/hop", "bare/low/cg_1"))}));
}
