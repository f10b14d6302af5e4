/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Affinities that tasks have of their own, within and without cpusets. */

#include "shape.h"

static struct ktstr_affinity any_of(unsigned n)
{
        return (struct ktstr_affinity){.kind = KTSTR_AFFINITY_RANDOM, .count = n > 0 ? n : 1};
}

/* Unlike: where the draws overlap more workers share a CPU. */
enum ktstr_outcome ktstr_custom_affinity_change(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const struct ktstr_affinity half = any_of(scenario_cpus(ctx) / 2);
        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_LOOP(1.0, scenario_beat_ms(ctx)),
                                KTSTR_OPS(ktstr_op_set_affinity("cg_0", half),
                                          ktstr_op_set_affinity("cg_1", half))}),
                   .checks = &scenario_unlike);
}

/* Unlike: as above. */
enum ktstr_outcome ktstr_custom_affinity_multicpu_pin(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 2))
                return KTSTR_SKIP;

        const unsigned half = scenario_cpus(ctx) / 2;
        const struct ktstr_affinity several = any_of(half < 2 ? 2 : half);
        return RUN(
                ctx,
                KTSTR_CGROUPS({.name = "cg_0", .affinity = several}, {.name = "cg_1", .affinity = several}),
                THROUGHOUT, .checks = &scenario_unlike);
}

/* Unlike: as above. */
enum ktstr_outcome ktstr_custom_affinity_cpuset_multicpu_pin(struct ktstr_ctx *ctx)
{
        if (scenario_lacks_cpus(ctx, 4))
                return KTSTR_SKIP;

        const unsigned quarter = scenario_cpus(ctx) / 4;
        const struct ktstr_affinity several = any_of(quarter < 2 ? 2 : quarter);
        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .cpuset = scenario_half(0), .affinity = several},
                                 {.name = "cg_1", .cpuset = scenario_half(1), .affinity = several}),
                   THROUGHOUT, .checks = &scenario_unlike);
}
