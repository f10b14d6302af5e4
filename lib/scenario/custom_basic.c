/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a scheduler meets first: tasks outside all cgroups, other policies, pairs that wait for each other.
 */

#include "shape.h"

/* As many in the root as there are CPUs. */
enum ktstr_outcome ktstr_custom_basic_host_cgroup_contention(struct ktstr_ctx *ctx)
{
        const struct ktstr_work_group host = {.workers = (int)ktstr_cpus_count(&ctx->topo->all)};

        return RUN(ctx, KTSTR_CGROUPS({.name = "cg_0"}, {.name = "cg_1"}),
                   KTSTR_STEPS({.hold = KTSTR_HOLD_FULL, KTSTR_OPS(ktstr_op_spawn_host(host))}));
}

/*
 * All but IDLE sleep most of the time, and are fewer than two CPUs' worth: IDLE has a right to what is left
 * over alone, and real-time tasks that do not sleep would starve what a BPF scheduler has, which is not its
 * fault. Unlike: policies are made to differ.
 */
enum ktstr_outcome ktstr_custom_basic_sched_mixed(struct ktstr_ctx *ctx)
{
        return RUN(
                ctx,
                KTSTR_CGROUPS(
                        {.name = "cg_0",
                         KTSTR_WORKS(
                                 {.workers = 1, .work = ktstr_bursty(20, 80)},
                                 {.workers = 1, .work = ktstr_bursty(20, 80), .policy = KTSTR_BATCH},
                                 {.workers = 1, .policy = KTSTR_IDLE},
                                 {.workers = 1, .work = ktstr_bursty(5, 95), .policy = ktstr_policy_fifo(1)},
                                 {.workers = 1,
                                  .work = ktstr_bursty(5, 95),
                                  .policy = ktstr_policy_rr(1)})}),
                THROUGHOUT, .checks = &scenario_unlike);
}

/* Unlike: how long a pair waits depends on who else is on its two CPUs. */
enum ktstr_outcome ktstr_custom_basic_cgroup_pipe_io(struct ktstr_ctx *ctx)
{
        const int workers = scenario_workers(ctx, 2);

        return RUN(ctx,
                   KTSTR_CGROUPS({.name = "cg_0", .workers = workers, .work = ktstr_pipe_io(0)},
                                 {.name = "cg_1", .workers = workers, .work = ktstr_pipe_io(0)}),
                   THROUGHOUT, .checks = &scenario_unlike);
}
