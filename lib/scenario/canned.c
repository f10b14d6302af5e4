/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The 14 canned scenarios. */

#include "shape.h"

enum ktstr_outcome ktstr_scenario_steady(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}), THROUGHOUT);
}

enum ktstr_outcome ktstr_scenario_steady_llc(struct ktstr_ctx *ctx)
{
        const unsigned n =
                ctx->topo->n_llcs < SCENARIO_CGROUPS_MAX ? ctx->topo->n_llcs : SCENARIO_CGROUPS_MAX;
        struct ktstr_cgroup *cgroups = scenario_cgroups(n, &(struct ktstr_cgroup){});

        if (scenario_lacks_llcs(ctx, 2))
                return KTSTR_SKIP;
        for (unsigned i = 0; i < n; i++)
                cgroups[i].cpuset = ktstr_cpuset_llc(i);
        return RUN(ctx, .cgroups = cgroups, .n_cgroups = n, THROUGHOUT);
}

enum ktstr_outcome ktstr_scenario_oversubscribed(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .workers = 32, .work = ktstr_mixed()},
                                 {.name = "cg_1", .workers = 32, .work = ktstr_mixed()}),
                   THROUGHOUT);
}

enum ktstr_outcome ktstr_scenario_cpuset_apply(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.5), {.hold = KTSTR_HOLD_FRAC(0.5),
                                           KTSTR_OPS(ktstr_op_set_cpuset("cg_0", scenario_half(0)),
                                                     ktstr_op_set_cpuset("cg_1", scenario_half(1)))}));
}

enum ktstr_outcome ktstr_scenario_cpuset_clear(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)},
                                 {.name = "cg_1", .cpuset = scenario_half(1)}),
                   KTSTR_STEPS(WAIT(0.5),
                               {.hold = KTSTR_HOLD_FRAC(0.5),
                                KTSTR_OPS(ktstr_op_clear_cpuset("cg_0"), ktstr_op_clear_cpuset("cg_1"))}));
}

enum ktstr_outcome ktstr_scenario_cpuset_resize(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_cpuset large = ktstr_cpuset_range(0, 1),
                                  small = ktstr_cpuset_range(0, scenario_frac(ctx, 0.25));
        return RUN(
                ctx, KTSTR_CGROUPS({.name = "cg_0", .cpuset = large}, {.name = "cg_1"}),
                KTSTR_STEPS(WAIT(0.3),
                            {.hold = KTSTR_HOLD_FRAC(0.4), KTSTR_OPS(ktstr_op_set_cpuset("cg_0", small))},
                            {.hold = KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_set_cpuset("cg_0", large))}));
}

enum ktstr_outcome ktstr_scenario_cgroup_add(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.5), {.hold = KTSTR_HOLD_FRAC(0.5), KTSTR_CGROUPS({.name = "cg_2"})}));
}

enum ktstr_outcome ktstr_scenario_cgroup_remove(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.5),
                               {.hold = KTSTR_HOLD_FRAC(0.5), KTSTR_OPS(ktstr_op_remove_cgroup("cg_1"))}));
}

/* To one half, to the other, and anywhere again. */
enum ktstr_outcome ktstr_scenario_affinity_change(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_affinity one = {.kind = KTSTR_AFFINITY_CPUS, .cpus = scenario_half(0)},
                                    other = {.kind = KTSTR_AFFINITY_CPUS, .cpus = scenario_half(1)},
                                    any = {.kind = KTSTR_AFFINITY_CPUS, .cpus = ktstr_cpuset_all()};
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.25),
                               {.hold = KTSTR_HOLD_FRAC(0.25),
                                KTSTR_OPS(ktstr_op_set_affinity("cg_0", one),
                                          ktstr_op_set_affinity("cg_1", other))},
                               {.hold = KTSTR_HOLD_FRAC(0.25),
                                KTSTR_OPS(ktstr_op_set_affinity("cg_0", other),
                                          ktstr_op_set_affinity("cg_1", one))},
                               {.hold = KTSTR_HOLD_FRAC(0.25),
                                KTSTR_OPS(ktstr_op_set_affinity("cg_0", any),
                                          ktstr_op_set_affinity("cg_1", any))}));
}

enum ktstr_outcome ktstr_scenario_affinity_pinned(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_affinity pinned = {.kind = KTSTR_AFFINITY_CPUS,
                                              .cpus = ktstr_cpuset_exact("0-1")};
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .affinity = pinned}, {.name = "cg_1", .affinity = pinned}),
                   THROUGHOUT);
}

enum ktstr_outcome ktstr_scenario_host_contention(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_FULL,
                                KTSTR_OPS(ktstr_op_spawn_host((struct ktstr_work_group){}))}));
}

/* Of the spinning workers some share their CPU with those that come and go, and some do not. */
enum ktstr_outcome ktstr_scenario_mixed_workloads(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_heavy", .workers = scenario_workers(ctx, 2)},
                                 {.name = "cg_bursty", .work = ktstr_bursty(50, 100)},
                                 {.name = "cg_io", .work = ktstr_io_sync()}),
                   THROUGHOUT, .checks = &scenario_unlike);
}

enum ktstr_outcome ktstr_scenario_nested_steady(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "outer", .workers = KTSTR_NONE}, {.name = "outer/cg_0"},
                                 {.name = "outer/cg_1"}),
                   THROUGHOUT);
}

/* There, back, and there again. */
enum ktstr_outcome ktstr_scenario_nested_task_move(struct ktstr_ctx *ctx)
{
        const struct ktstr_op there = ktstr_op_move_all_tasks("outer/cg_0", "outer/cg_1"),
                              back = ktstr_op_move_all_tasks("outer/cg_1", "outer/cg_0");

        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "outer", .workers = KTSTR_NONE}, {.name = "outer/cg_0"},
                                 {.name = "outer/cg_1", .workers = KTSTR_NONE}),
                   KTSTR_STEPS(WAIT(0.25), {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_OPS(there)},
                               {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_OPS(back)},
                               {.hold = KTSTR_HOLD_FRAC(0.25), KTSTR_OPS(there)}));
}
