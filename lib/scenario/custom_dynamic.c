/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cgroups that come and go beside some that stay. */

#include "shape.h"

enum ktstr_outcome ktstr_custom_dynamic_add_midrun(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS(WAIT(0.4), {.hold = KTSTR_HOLD_FRAC(0.6),
                                           KTSTR_CGROUPS({.name = "cg_2"}, {.name = "cg_3"})}));
}

enum ktstr_outcome ktstr_custom_dynamic_remove_midrun(struct ktstr_ctx *ctx)
{
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}, {.name = "cg_2"}, {.name = "cg_3"}),
                   KTSTR_STEPS(WAIT(0.4),
                               {.hold = KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_remove_cgroup("cg_3"))},
                               {.hold = KTSTR_HOLD_FRAC(0.3),
                                KTSTR_OPS(ktstr_op_remove_cgroup("cg_1"), ktstr_op_remove_cgroup("cg_2"))}));
}

/* Fleeting: each is gone as soon as the next is there. */
enum ktstr_outcome ktstr_custom_dynamic_rapid_churn(struct ktstr_ctx *ctx)
{
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_rush_ms(ctx)),
                                KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "churn_0"}),
                                          ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "churn_1"}),
                                          ktstr_op_remove_cgroup("churn_0"),
                                          ktstr_op_remove_cgroup("churn_1"))}),
                   .checks = &scenario_fleeting);
}

enum ktstr_outcome ktstr_custom_dynamic_cpuset_add_remove(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_cgroup guest = {.name = "cg_1", .cpuset = scenario_half(1)};
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0)}),
                   KTSTR_STEPS(WAIT(0.2), {.hold = KTSTR_HOLD_FRAC(0.3), KTSTR_CGROUPS(guest)}, WAIT(0.2),
                               {.hold = KTSTR_HOLD_FRAC(0.3), KTSTR_CGROUPS(guest)}));
}

enum ktstr_outcome ktstr_custom_dynamic_add_during_imbalance(struct ktstr_ctx *ctx)
{
        return RUN(
                ctx,
                KTSTR_CGROUPS({.name = "cg_heavy", .workers = scenario_workers(ctx, 4)},
                              {.name = "cg_light", .workers = 1}),
                KTSTR_STEPS(WAIT(0.5), {.hold = KTSTR_HOLD_FRAC(0.5), KTSTR_CGROUPS({.name = "cg_new"})}));
}
