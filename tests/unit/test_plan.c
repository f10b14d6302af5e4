/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scenarios that are wrong somewhere: told before anything of them is done. No cgroups. */
#include "driven_body.h"
#include "unit.h"

#define NOW KTSTR_HOLD_FIXED_MS(0)
#define CGROUP(...) KTSTR_STEP(NOW, {__VA_ARGS__})
#define OP(op) ((struct ktstr_step){.hold = NOW, KTSTR_OPS(op)})

static size_t which;
static unsigned n_called;

static enum ktstr_outcome counts(struct ktstr_ctx *ctx)
{
        n_called++;
        return KTSTR_PASS;
}

static enum ktstr_outcome runs_one_that_is_wrong(struct ktstr_ctx *ctx)
{
        const struct ktstr_affinity no_kind = {.kind = (enum ktstr_affinity_kind)9};
        const struct {
                struct ktstr_step step;
                const char *text;
        } cases[] = {
                {{.name = "long", .hold = KTSTR_HOLD_FRAC(2)},
                 "long: a hold is a fraction of the test's duration, from 0 to 1, not 2"},
                {CGROUP(.name = "left", .cpuset = ktstr_cpuset_disjoint(2, 2)),
                 "step 1: cgroup 'left': CpusetSpec validation failed: index 2 >= partition count 2"},
                {CGROUP(.name = "../x"),
                 "step 1: cgroup '../x': a name is letters, digits, '_' and '-', with '/' between at most "
                 "16 of them"},
                {KTSTR_STEP(NOW, {.name = "cg_0"}, {}, {.cpu_weight = 10001}),
                 "step 1: cgroup 'cg_2': cpu_weight is from 1 to 10000, got 10001"},
                {CGROUP(.cpuset_mems = "x"),
                 "step 1: cgroup 'cg_0': cpuset_mems 'x' is no list of this machine's"},
                {CGROUP(.work = ktstr_pipe_io(0), .workers = 3),
                 "step 1: cgroup 'cg_0': PipeIo requires num_workers divisible by 2, got 3"},
                {CGROUP(KTSTR_WORKS({.workers = 1}, {.workers = 1, .policy = ktstr_policy_fifo(0)})),
                 "step 1: cgroup 'cg_0': policy FIFO wants a priority from 1 to 97, got 0"},
                {CGROUP(.affinity = {.kind = KTSTR_AFFINITY_RANDOM}),
                 "step 1: cgroup 'cg_0': affinity: 0 random CPUs of"},
                {OP(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "x", .workers_pct = -200})),
                 "step 1: add_cgroup: cgroup 'x': -"},
                {OP(ktstr_op_spawn("some", (struct ktstr_work_group){.comm = "a name that is long"})),
                 "step 1: spawn: comm 'a name that is long' is longer than the kernel's 15 characters"},
                {OP(ktstr_op_spawn_host((struct ktstr_work_group){.workers = 1, .workers_pct = 1})),
                 "step 1: spawn_host: workers and workers_pct: one of them, not both"},
                {OP(ktstr_op_set_cpuset("some", ktstr_cpuset_exact(""))),
                 "step 1: set_cpuset: cgroup 'some': CpusetSpec validation failed: '' is no list of CPUs"},
                {OP(ktstr_op_set_affinity("some", no_kind)),
                 "step 1: set_affinity: there is no kind of affinity 9"},
                {OP(ktstr_op_swap_cpusets("some", NULL)),
                 "step 1: swap_cpusets: it does not say which cgroup"},
                {OP(ktstr_op_cpu_offline(0)), "step 1: cpu_offline: cpu0 cannot be taken offline"},
                {OP(ktstr_op_cpu_online(KTSTR_CPUS_MAX)), "step 1: cpu_online: there is no cpu1024: "},
                {OP(ktstr_op_kill_payload(NULL, NULL)),
                 "step 1: kill_payload: it does not say which payload"},
                {OP(ktstr_op_detach_scheduler()),
                 "step 1: detach_scheduler: the test has no scheduler: it runs under EEVDF"},
                {OP(ktstr_op_map_write("stall", 1)),
                 "step 1: map_write: the test has no scheduler: it runs under EEVDF"},
                {OP(ktstr_op_call(NULL)), "step 1: call: there is no function to call"},
                {OP((struct ktstr_op){.kind = (enum ktstr_op_kind)77}), "step 1: there is no operation 77"},
                {{.hold = KTSTR_HOLD_LOOP(1, 100), KTSTR_OPS(ktstr_op_cpu_offline(0))},
                 "step 1: cpu_offline: cpu0 cannot be taken offline"},
        };
        const struct ktstr_step steps[] = {OP(ktstr_op_call(counts)), cases[which].step};
        const struct ktstr_scenario scenario = {.steps = steps, .n_steps = KT_ARRAY_SIZE(steps)};
        enum ktstr_outcome outcome;

        ktstr_note(ctx, "%s", cases[which].text);
        outcome = ktstr_run_scenario(ctx, &scenario);
        ktstr_metric(ctx, "left", (double)(KT_ARRAY_SIZE(cases) - 1 - which), "");
        ktstr_metric(ctx, "called", n_called, "");
        return outcome;
}

static double metric(struct json_object *result, unsigned i)
{
        return kt_json_double(json_object_array_get_idx(kt_json_get(result, "metrics"), i), "value", -1);
}

START_TEST(what_is_wrong_in_a_later_step_is_told_before_the_first)
{
        bool more = true;

        for (which = 0; more; which++) {
                struct driven d = start(runs_one_that_is_wrong, FIRST);
                _cleanup_free_ char *expected = strdup(json_object_get_string(wait_line(&d, "text")));
                struct json_object *result = end(&d);
                const char *text = kt_json_str(message(result, 0), "text") ?: "nothing";

                ck_assert_msg(strcmp(kt_json_str(result, "outcome"), "error") == 0 &&
                                      strncmp(text, expected, strlen(expected)) == 0,
                              "'%s' is not '%s'", text, expected);
                ck_assert_double_eq(metric(result, 1), 0);
                more = metric(result, 0) > 0;
        }
        ck_assert_uint_gt(which, 20);
}
END_TEST

static enum ktstr_outcome has_a_wrong_backdrop(struct ktstr_ctx *ctx)
{
        const struct ktstr_step step = OP(ktstr_op_call(counts));
        const struct ktstr_scenario scenario = {
                .steps = &step, .n_steps = 1, KTSTR_CGROUPS({}, {.io_weight = 20000})};

        return ktstr_run_scenario(ctx, &scenario);
}

START_TEST(the_backdrop_is_of_no_step)
{
        struct driven d = start(has_a_wrong_backdrop, FIRST);
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "cgroup 'cg_1': io_weight is from 1 to 10000, got 20000");
}
END_TEST

/* How many CPUs a cgroup has that an operation finds, nobody knows before. */
static enum ktstr_outcome spawns_what_nobody_can_tell(struct ktstr_ctx *ctx)
{
        return ktstr_run(
                ctx, OP(ktstr_op_spawn(
                             "some", (struct ktstr_work_group){.workers_pct = 300,
                                                               .work = ktstr_pipe_io(0),
                                                               .affinity = {.kind = KTSTR_AFFINITY_EACH}})));
}

START_TEST(what_only_its_time_tells_is_told_then)
{
        struct driven d = start(spawns_what_nobody_can_tell, FIRST);
        struct json_object *result;

        wait_line(&d, "step");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "step 0: spawn: there is no cgroup 'some'; there are: none");
}
END_TEST

UNIT_MAIN("plan", what_is_wrong_in_a_later_step_is_told_before_the_first, the_backdrop_is_of_no_step,
          what_only_its_time_tells_is_told_then)
