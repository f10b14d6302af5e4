/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The body as a process, with this test in the agent's place: what it says and what it hears. No cgroups. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../../lib/body/body.h"
#include "../../lib/body/group.h"
#include "../../lib/body/policy.h"
#include "../../lib/body/step.h"
#include "../../lib/body/wakes.h"
#include "../../proto/codec.h"
#include "driven_body.h"
#include "unit.h"

static enum ktstr_outcome looks(struct ktstr_ctx *ctx)
{
        if (ctx->duration_ms != 1500 || ctx->workers != 3 || ctx->seed != 7 || ctx->scheduler ||
            ctx->sched_pid)
                return ktstr_fail(ctx, "not what the agent said");
        ktstr_note(ctx, "a \"note\"");
        ktstr_metric(ctx, "speed", 1, "m/s");
        ktstr_metric(ctx, "speed", 2.5, "km/h");
        return KTSTR_PASS;
}

START_TEST(the_function_knows_what_the_agent_said)
{
        struct driven d = start(looks, FIRST);
        struct json_object *event = wait_line(&d, "text"), *result, *metric;

        ck_assert_str_eq(json_object_get_string(event), "a \"note\"");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "pass");
        ck_assert_ptr_null(kt_json_get(result, "workload"));
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "metrics")), 1);
        metric = json_object_array_get_idx(kt_json_get(result, "metrics"), 0);
        ck_assert_double_eq(kt_json_double(metric, "value", 0), 2.5);
        ck_assert_str_eq(kt_json_str(metric, "unit"), "km/h");
}
END_TEST

static enum ktstr_outcome says_much(struct ktstr_ctx *ctx)
{
        for (int i = 0; i < 1000; i++)
                ktstr_inconclusive(ctx, "number %d", i);
        ktstr_fail(ctx, "too late to be heard, not to count");
        return KTSTR_PASS;
}

START_TEST(what_was_said_counts_whatever_is_returned)
{
        struct driven d = start(says_much, FIRST);
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "fail");
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 256);
        ck_assert_str_eq(kt_json_str(message(result, 255), "text"), "number 255");
}
END_TEST

static enum ktstr_outcome is_mute(struct ktstr_ctx *ctx)
{
        return KTSTR_FAIL;
}

static enum ktstr_outcome is_odd(struct ktstr_ctx *ctx)
{
        return (enum ktstr_outcome)77;
}

START_TEST(an_outcome_without_a_word_is_given_one)
{
        struct driven mute = start(is_mute, FIRST), odd = start(is_odd, FIRST);
        struct json_object *result = end(&mute);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "fail");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "the test's function says fail, and not why");
        result = end(&odd);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "the test's function returned 77, which is no outcome");
}
END_TEST

START_TEST(another_format_is_told)
{
        struct driven d = start(looks, "{\"format\":2,\"test\":\"t\"}\n");
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_ptr_nonnull(strstr(kt_json_str(message(result, 0), "text"), "another version of ktstr"));
}
END_TEST

static enum ktstr_outcome holds_long(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(600000)}, {.hold = KTSTR_HOLD_FIXED_MS(600000)});
}

START_TEST(a_word_of_the_agent_ends_a_hold)
{
        static const struct {
                const char *line, *returned;
        } words[] = {{"{\"stop\":\"time\"}\n", "pass"}, {"{\"sched_gone\":\"ejected\"}\n", "pass"}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++) {
                struct driven d = start(holds_long, FIRST);

                wait_line(&d, "step");
                tell(&d, words[i].line);
                ck_assert_str_eq(kt_json_str(end(&d), "outcome"), words[i].returned);
        }
}
END_TEST

/* In one piece: it ended while the body was being started. */
START_TEST(a_word_behind_the_first_line_is_heard)
{
        struct driven d = start(holds_long, FIRST "{\"sched_gone\":\"ejected\"}\n");

        ck_assert_str_eq(kt_json_str(end(&d), "outcome"), "pass");
}
END_TEST

/* What it made and took offline would be the host's. */
START_TEST(a_test_on_the_host_has_no_scenario)
{
        static const struct ktstr_test test = {.name = "t", .host_only = KTSTR_ON};
        struct driven d = start_test(holds_long, &test, FIRST);
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "a scenario makes cgroups, and may take CPUs offline: it needs a guest: take "
                         ".host_only away");
}
END_TEST

START_TEST(a_body_whose_agent_is_gone_ends)
{
        struct driven d = start(holds_long, FIRST);
        int status;

        wait_line(&d, "step");
        fclose(d.in);
        ck_assert_int_eq(waitpid(d.pid, &status, 0), d.pid);
        ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

static enum ktstr_outcome asks_without_scheduler(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0), KTSTR_OPS(ktstr_op_restart_scheduler())});
}

static enum ktstr_outcome asks(struct ktstr_ctx *ctx)
{
        enum ktstr_outcome outcome =
                ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0), KTSTR_OPS(ktstr_op_restart_scheduler())});

        ktstr_metric(ctx, "pid", ctx->sched_pid, "");
        return outcome;
}

#define WITH_SCHEDULER                                                                                      \
        "{\"format\":1,\"test\":\"t\",\"duration_ms\":1500,\"sched\":{\"name\":\"s\",\"pid\":5}}\n"

START_TEST(the_scheduler_is_asked_of_the_agent)
{
        struct driven d = start(asks, WITH_SCHEDULER);
        struct json_object *result;

        ck_assert_str_eq(json_object_get_string(wait_line(&d, "ask")), "sched_restart");
        tell(&d, "{\"answer\":\"ok\",\"pid\":42}\n");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "pass");
        ck_assert_double_eq(
                kt_json_double(json_object_array_get_idx(kt_json_get(result, "metrics"), 0), "value", 0),
                42);

        d = start(asks, WITH_SCHEDULER);
        wait_line(&d, "ask");
        tell(&d, "{\"answer\":\"failed\",\"error\":\"it does not attach\",\"blame\":\"scheduler\"}\n");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "fail");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "step 0: restart_scheduler: it does not attach");

        /* What the agent cannot do says nothing about the scheduler. */
        d = start(asks, WITH_SCHEDULER);
        wait_line(&d, "ask");
        tell(&d, "{\"answer\":\"failed\",\"error\":\"it cannot fork\",\"blame\":\"agent\"}\n");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "step 0: restart_scheduler: it cannot fork");

        d = start(asks_without_scheduler, FIRST);
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "step 0: restart_scheduler: the test has no scheduler: it runs under EEVDF");
}
END_TEST

#define LASTING(ms) "{\"format\":1,\"test\":\"t\",\"duration_ms\":" ms "}\n"
#define LOOP_MS 100

static unsigned n_calls;
static uint64_t loop_began_ns;

static enum ktstr_outcome is_called(struct ktstr_ctx *ctx)
{
        if (worker_now_ns() < loop_began_ns + n_calls * LOOP_MS * 1000000ULL)
                return ktstr_fail(ctx, "call %u comes too early", n_calls);
        n_calls++;
        ktstr_note(ctx, "call %u", n_calls);
        return KTSTR_PASS;
}

static enum ktstr_outcome loops(struct ktstr_ctx *ctx)
{
        loop_began_ns = worker_now_ns();
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_LOOP(1, LOOP_MS), KTSTR_OPS(ktstr_op_call(is_called))});
}

static enum ktstr_outcome loops_slowly(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_LOOP(1, 600000), KTSTR_OPS(ktstr_op_call(is_called))});
}

/* A call may come late on a host that is busy, and never early. */
static void expect_calls(enum ktstr_outcome (*func)(struct ktstr_ctx *ctx), unsigned n)
{
        struct driven d = start(func, LASTING("600000"));

        for (unsigned i = 1; i <= n; i++) {
                _cleanup_free_ char *text = kt_format("call %u", i);

                ck_assert_str_eq(json_object_get_string(wait_line(&d, "text")), text);
        }
        tell(&d, "{\"stop\":\"time\"}\n");
        ck_assert_str_eq(kt_json_str(end(&d), "outcome"), "pass");
}

START_TEST(a_loop_does_its_operations_at_once_and_every_interval)
{
        expect_calls(loops_slowly, 1);
        expect_calls(loops, 4);
}
END_TEST

START_TEST(a_loop_ends_with_its_hold)
{
        struct driven d = start(loops, LASTING("250"));

        ck_assert_str_eq(kt_json_str(end(&d), "outcome"), "pass");
}
END_TEST

static enum ktstr_outcome says_skip(struct ktstr_ctx *ctx)
{
        return ktstr_skip(ctx, "not today");
}

static enum ktstr_outcome nests(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0)});
}

static enum ktstr_outcome calls(struct ktstr_ctx *ctx)
{
        enum ktstr_outcome skipped =
                ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0), KTSTR_OPS(ktstr_op_call(says_skip))});

        if (skipped != KTSTR_SKIP)
                return ktstr_fail(ctx, "a call's outcome is not the scenario's");
        ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0), KTSTR_OPS(ktstr_op_call(nests))});
        return KTSTR_PASS;
}

START_TEST(a_call_ends_the_scenario_with_its_outcome)
{
        struct driven d = start(calls, FIRST);
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 1), "text"), "a scenario cannot be run within another");
}
END_TEST

static void hold_is(struct ktstr_hold hold, uint64_t expected_ms)
{
        uint64_t ns = 0;

        ck_assert_int_eq(hold_check(&hold, 2000, &ns, NULL), 0);
        ck_assert_uint_eq(ns, expected_ms * 1000000);
}

START_TEST(holds_are_fractions_or_times)
{
        const struct ktstr_hold bad[] = {
                KTSTR_HOLD_FRAC(1.5),
                KTSTR_HOLD_FRAC(-1),
                KTSTR_HOLD_FRAC(__builtin_nan("")),
                KTSTR_HOLD_LOOP(0.5, 0),
                KTSTR_HOLD_FIXED_MS(1ULL << 62),
                {.kind = (enum ktstr_hold_kind)9},
        };
        uint64_t ns;

        hold_is((struct ktstr_hold){}, 2000);
        hold_is(KTSTR_HOLD_FULL, 2000);
        hold_is(KTSTR_HOLD_FRAC(0.25), 500);
        hold_is(KTSTR_HOLD_FIXED_MS(7), 7);
        hold_is(KTSTR_HOLD_LOOP(0.5, 10), 1000);
        for (size_t i = 0; i < KT_ARRAY_SIZE(bad); i++)
                ck_assert_int_lt(hold_check(&bad[i], 2000, &ns, NULL), 0);
}
END_TEST

START_TEST(policies_that_cannot_be_are_refused)
{
        static const struct {
                struct ktstr_policy policy;
                int nice;
                const char *text;
        } bad[] = {
                {{.class = KTSTR_POLICY_FIFO}, 0, "policy FIFO wants a priority from 1 to 97, got 0"},
                {{.class = KTSTR_POLICY_RR, .priority = 100},
                 0,
                 "policy RR wants a priority from 1 to 97, got 100"},
                {{.class = KTSTR_POLICY_FIFO, .priority = 98},
                 0,
                 "policy FIFO wants a priority from 1 to 97, got 98, which is that of the test's body: "
                 "nothing of a test may keep it from running"},
                {{.class = KTSTR_POLICY_RR, .priority = 99},
                 0,
                 "policy RR wants a priority from 1 to 97, got 99, which is that of the agent: nothing of a "
                 "test may keep it from running"},
                {{.class = KTSTR_POLICY_BATCH, .priority = 1}, 0, "policy BATCH has no priority, got 1"},
                {{.class = KTSTR_POLICY_DEADLINE, .runtime_ns = 3, .deadline_ns = 2, .period_ns = 4},
                 0,
                 "policy DEADLINE wants 0 < runtime <= deadline <= period, got 3, 2, 4 ns"},
                {{}, 20, "nice is from -20 to 19, got 20"},
                {{.class = (enum ktstr_policy_class)44}, 0, "there is no policy 44"},
        };
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(
                policy_check(&(struct ktstr_policy){.class = KTSTR_POLICY_FIFO, .priority = 97}, 0, &err),
                0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(bad); i++) {
                ck_assert_int_lt(policy_check(&bad[i].policy, bad[i].nice, &err), 0);
                ck_assert_str_eq(kt_error_text(&err), bad[i].text);
        }
        kt_error_done(&err);
}
END_TEST

START_TEST(names_of_cgroups)
{
        static const char *const good[] = {"a", "cg_0", "a/b/c", "x-1/y:2"}, *const bad[] = {
                                                                                     "",       "/a",
                                                                                     "a/",     "a//b",
                                                                                     ".",      "..",
                                                                                     "a/../b", "cpu.max",
                                                                                     "a b",    "a\nb"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(good); i++)
                ck_assert_msg(group_check_name(good[i], NULL) == 0, "%s", good[i]);
        for (size_t i = 0; i < KT_ARRAY_SIZE(bad); i++)
                ck_assert_msg(group_check_name(bad[i], NULL) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(a_workers_sample_counts_for_all_its_wakes)
{
        static struct worker_counters counters[2];
        struct kt_list groups = KT_LIST_INIT(groups);
        struct group *g = group_new(&groups, "g", NULL);
        struct group_crew c = {.crew = {.n = 2, .counters = counters}};
        struct kt_wakes wakes;

        kt_list_append(&g->crews, &c.link);
        ck_assert_int_eq(wakes_of_group(g, &wakes), 0);
        ck_assert_uint_eq(wakes.count, 0);
        /* One had three wakes of 10, the other a million of 100, of which it kept some. */
        counters[0].wake_count = 3;
        counters[1].wake_count = 1000000;
        counters[0].wake_max_ns = 10;
        counters[1].wake_max_ns = 5000;
        for (unsigned i = 0; i < WORKER_WAKES_MAX; i++) {
                counters[0].wakes_ns[i] = 10;
                counters[1].wakes_ns[i] = i ? 100 : 5000;
        }
        ck_assert_int_eq(wakes_of_group(g, &wakes), 0);
        ck_assert_uint_eq(wakes.count, 1000003);
        ck_assert_uint_eq(wakes.p50_ns, 100);
        ck_assert_uint_eq(wakes.p99_ns, 100);
        ck_assert_uint_eq(wakes.max_ns, 5000);
        ck_assert_double_gt(wakes.cv, 0.5);
        kt_list_remove(&c.link);
        group_free(g);
}
END_TEST

UNIT_MAIN("body", the_function_knows_what_the_agent_said, what_was_said_counts_whatever_is_returned,
          an_outcome_without_a_word_is_given_one, another_format_is_told, a_word_of_the_agent_ends_a_hold,
          a_word_behind_the_first_line_is_heard, a_test_on_the_host_has_no_scenario,
          a_body_whose_agent_is_gone_ends, the_scheduler_is_asked_of_the_agent,
          a_loop_does_its_operations_at_once_and_every_interval, a_loop_ends_with_its_hold,
          a_call_ends_the_scenario_with_its_outcome, holds_are_fractions_or_times,
          policies_that_cannot_be_are_refused, names_of_cgroups, a_workers_sample_counts_for_all_its_wakes)
