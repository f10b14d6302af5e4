/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of scx_example. What can be said here: ktstr-tests(7). */
#include <ktstr.h>

KTSTR_SCHEDULER(example, .name = "example", .binary = "scx_example",
                .topology = {.numa_nodes = 1, .llcs = 2, .cores = 2, .threads = 1});

/* As it is started for the test that wants it to fail. */
KTSTR_SCHEDULER(failing, .name = "example-failing", .binary = "scx_example",
                .topology = {.numa_nodes = 1, .llcs = 1, .cores = 2, .threads = 1},
                .sched_args = KTSTR_LIST("--fail-after", "1"));

/* Two cgroups of equally spinning workers: the least that a scheduler has to do right. The defaults check
 * that each worker gets on, that none stands still for long, and that none in a cgroup is treated better
 * than another. */
KTSTR_TEST(steady, .scheduler = &example, .duration_s = 2)
{
        return ktstr_scenario_steady(ctx);
}

/* The same where each core has two threads; all else is inherited. */
KTSTR_TEST(smt, .scheduler = &example, .threads = 2, .duration_s = 2)
{
        return ktstr_scenario_steady(ctx);
}

/* A cgroup on each half of the CPUs, one that spins and one that comes and goes. Nobody may run outside its
 * half, which is checked for everything that has a cpuset. */
KTSTR_TEST(split, .scheduler = &example, .duration_s = 2)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(KTSTR_HOLD_FULL,
                                    {.name = "left", .cpuset = ktstr_cpuset_disjoint(0, 2), .workers = 2},
                                    {.name = "right",
                                     .cpuset = ktstr_cpuset_disjoint(1, 2),
                                     .workers = 2,
                                     .work = ktstr_bursty(20, 10)}));
}

static enum ktstr_outcome scheduler_is_there(struct ktstr_ctx *ctx)
{
        if (ctx->sched_pid <= 0)
                return ktstr_fail(ctx, "no scheduler is running");
        return KTSTR_PASS;
}

/* Things happen while the workers run: a cgroup is frozen and thawed again and again, tasks move, a CPU goes
 * and comes back. `base` is there in all three steps, what a step defines in that step only. */
KTSTR_TEST(upheaval, .scheduler = &example, .duration_s = 3, .max_spread_pct = KTSTR_NONE)
{
        const struct ktstr_scenario scenario = {
                KTSTR_CGROUPS({.name = "base", .workers = 2}),
                KTSTR_STEPS(KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.3),
                                           KTSTR_OPS(ktstr_op_call(scheduler_is_there)),
                                           {.name = "guest", .workers = 2, .work = ktstr_yield_heavy()}),
                            {.name = "freeze and thaw",
                             .hold = KTSTR_HOLD_LOOP(0.4, 300),
                             KTSTR_OPS(ktstr_op_freeze_cgroup("base"), ktstr_op_thaw_cgroup("base"))},
                            {.name = "hotplug",
                             .hold = KTSTR_HOLD_FRAC(0.3),
                             KTSTR_OPS(ktstr_op_cpu_offline(1), ktstr_op_cpu_online(1))}),
        };

        return ktstr_run_scenario(ctx, &scenario);
}

/* Wake-ups over pipes, each cgroup on an LLC of its own. `ktstrctl test --gauntlet` runs it on every preset
 * with two LLCs or more and at most 16 CPUs; without, it runs on the scheduler's topology. */
KTSTR_TEST(wakeups, .scheduler = &example, .duration_s = 2, .min_llcs = 2, .max_cpus = 16)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL,
                                         {.name = "first",
                                          .cpuset = ktstr_cpuset_llc(0),
                                          .workers = 2,
                                          .work = ktstr_pipe_io(0)},
                                         {.name = "second",
                                          .cpuset = ktstr_cpuset_llc(1),
                                          .workers = 2,
                                          .work = ktstr_pipe_io(0)}));
}

/* What the scheduler does when it finds an error is tested too: this passes when it ends in that error, and
 * fails when it ends in another one, or in none. */
KTSTR_TEST(told_to_fail, .scheduler = &failing, .duration_s = 3, .expect_err = KTSTR_ON,
           .expect_scx_bpf_error_contains = "example: told to fail")
{
        return ktstr_scenario_steady(ctx);
}

/* The same without an option for it: `fail` is a global variable of the BPF program, which is written half a
 * second after the workers have begun. */
KTSTR_TEST(made_to_fail, .scheduler = &example, .duration_s = 3,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "fail", .value = 1, .at_ms = 500}),
           .expect_err = KTSTR_ON, .expect_scx_bpf_error_contains = "example: told to fail")
{
        return ktstr_scenario_steady(ctx);
}
