/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Payloads, which are shells here, of a body with this test in the agent's place. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../lib/body/payload.h"
#include "driven_body.h"
#include "unit.h"

/* Whatever makes a folder here asks here: it is made, and the word of it comes too late. */
static bool mkdir_is_late;

int mkdir(const char *path, mode_t mode)
{
        int r = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

        if (r == 0 && mkdir_is_late) {
                errno = ETIMEDOUT;
                return -1;
        }
        return r;
}

#define SHELL(name_, script_, ...)                                                                          \
        static const struct ktstr_payload name_ = {                                                         \
                .name = #name_, .binary = "sh", .args = KTSTR_LIST("-c", script_, "sh"), ##__VA_ARGS__}

/* A test that runs one payload and says what it came to. */
struct run_case {
        const struct ktstr_payload *p;
        uint64_t timeout_ms;
        const char *outcome, *text; /* of the result and its first message; NULL: none */
        const char *metric;         /* NULL: none */
        double value;
};

static const struct run_case *current;

static enum ktstr_outcome run_current(struct ktstr_ctx *ctx)
{
        return ktstr_payload_run(ctx, current->p, NULL, NULL, current->timeout_ms, NULL);
}

#define P99                                                                                                 \
        {                                                                                                   \
                "p99", .json = "/wakeup/pcts/99.0", .unit = "us", .polarity = KTSTR_LOWER                   \
        }
#define RPS                                                                                                 \
        {                                                                                                   \
                "rps", .pattern = "rps: ([0-9.]+)"                                                          \
        }
#define JSON_SCRIPT                                                                                         \
        "echo '[INFO] {begins'; echo '{\"wakeup\": {\"pcts\": {\"99.0\": 1}}}'; "                           \
        "echo '{\"wakeup\": {\"pcts\": {\"99.0\": 412.5}}, \"name\": \"x\"}'; echo '{\"not\": whole'; "     \
        "exit 0"

SHELL(quiet, "exit 0");
SHELL(slow, "sleep 0.1");
SHELL(failing, "echo first >&2; echo it is broken >&2; exit 3");
SHELL(three, "exit 3", .checks = KTSTR_PAYLOAD_CHECKS({NULL, KTSTR_CHECK_EXIT_CODE, .min = 3}));
SHELL(not_three, "exit 0", .checks = KTSTR_PAYLOAD_CHECKS({NULL, KTSTR_CHECK_EXIT_CODE, .min = 3}));
SHELL(crashing, "kill -SEGV $$");
SHELL(endless, "sleep 1000 & echo x; wait");
SHELL(json, JSON_SCRIPT, .output = KTSTR_OUTPUT_JSON, .metrics = KTSTR_METRICS(P99),
      .checks = KTSTR_PAYLOAD_CHECKS({"p99", KTSTR_CHECK_MAX, .max = 412.5}));
SHELL(too_high, JSON_SCRIPT, .output = KTSTR_OUTPUT_JSON, .metrics = KTSTR_METRICS(P99),
      .checks = KTSTR_PAYLOAD_CHECKS({"p99", KTSTR_CHECK_MAX, .max = 412}));
SHELL(no_json, "echo '{'", .output = KTSTR_OUTPUT_JSON, .metrics = KTSTR_METRICS(P99),
      .checks = KTSTR_PAYLOAD_CHECKS({"p99", KTSTR_CHECK_EXISTS}));
SHELL(nothing_there, "echo '{}'", .output = KTSTR_OUTPUT_JSON, .metrics = KTSTR_METRICS(P99),
      .checks = KTSTR_PAYLOAD_CHECKS({"p99", KTSTR_CHECK_EXISTS}));
SHELL(no_number, "echo '{\"wakeup\":{\"pcts\":{\"99.0\":\"7\"}}}'", .output = KTSTR_OUTPUT_JSON,
      .metrics = KTSTR_METRICS(P99), .checks = KTSTR_PAYLOAD_CHECKS({"p99", KTSTR_CHECK_EXISTS}));
SHELL(pattern, "echo rps: 5; echo rps: 12.5", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_MIN, .min = 12.5}));
SHELL(too_low, "echo rps: 12.5 >&2", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_MIN, .min = 13}));
SHELL(outside, "echo rps: 5", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_RANGE, .min = 6, .max = 7}));
SHELL(inside, "echo rps: 6", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_RANGE, .min = 6, .max = 7}));
SHELL(nowhere, "echo nothing", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_EXISTS}));
SHELL(dots, "echo rps: 1.2.3", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_EXISTS}));
/* 64 MiB, and what counts behind them. */
SHELL(flood, "head -c 67108864 /dev/zero; echo rps: 9", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_EXISTS}));
SHELL(backtracking, "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaacb",
      .metrics = KTSTR_METRICS({"x", .pattern = "(a|aa)+b"}),
      .checks = KTSTR_PAYLOAD_CHECKS({"x", KTSTR_CHECK_EXISTS}));
/* Each place takes long, none too long, and there are many. */
SHELL(long_winded, "yes aaaaaaaaaaaaaaa | head -c 4194304; echo b",
      .metrics = KTSTR_METRICS({"x", .pattern = "(a|aa)+b"}),
      .checks = KTSTR_PAYLOAD_CHECKS({"x", KTSTR_CHECK_EXISTS}));
static const struct ktstr_payload missing = {.name = "missing", .binary = "no-such-program"};
static const struct ktstr_payload no_program = {.name = "no_program", .binary = "/etc"};

static const struct run_case runs[] = {
        {&quiet, 0, "pass"},
        {&slow, (uint64_t)KTSTR_NONE, "pass"},
        {&failing, 0, "fail", "payload failing exited with 3 instead of 0: it is broken"},
        {&three, 0, "pass"},
        {&not_three, 0, "fail", "payload not_three exited with 0 instead of 3"},
        {&crashing, 0, "fail", "payload crashing was killed by signal 11 (Segmentation fault)"},
        {&endless, 100, "fail", "payload endless did not end within 100 ms"},
        {&json, 0, "pass", NULL, "json.p99", 412.5},
        {&too_high, 0, "fail", "payload too_high: p99 is 412.5 us, above its maximum 412", "too_high.p99",
         412.5},
        {&no_json, 0, "fail", "payload no_json has no metric p99: it printed no whole JSON value"},
        {&nothing_there, 0, "fail",
         "payload nothing_there has no metric p99: there is nothing at /wakeup/pcts/99.0"},
        {&no_number, 0, "fail",
         "payload no_number has no metric p99: what is at '/wakeup/pcts/99.0' is no number"},
        {&pattern, 0, "pass", NULL, "pattern.rps", 12.5},
        {&too_low, 0, "fail", "payload too_low: rps is 12.5, below its minimum 13", "too_low.rps", 12.5},
        {&outside, 0, "fail", "payload outside: rps is 5, outside its range 6 to 7", "outside.rps", 5},
        {&inside, 0, "pass", NULL, "inside.rps", 6},
        {&nowhere, 0, "fail",
         "payload nowhere has no metric rps: 'rps: ([0-9.]+)' is nowhere in its output"},
        {&dots, 0, "fail",
         "payload dots has no metric rps: 'rps: ([0-9.]+)' finds '1.2.3', which is no number"},
        /* What could not be looked for is no miss of the scheduler's. */
        {&backtracking, 0, "error",
         "payload backtracking: its metric x cannot be told: '(a|aa)+b' backtracks too much on its output: "
         "write a simpler pattern"},
        {&long_winded, 0, "error",
         "payload long_winded: its metric x cannot be told: to look for '(a|aa)+b' in its output takes more "
         "than 3000 ms of CPU time: write a simpler pattern, or have it print less"},
        {&flood, 0, "pass", NULL, "flood.rps", 9},
        {&missing, 0, "error",
         "there is no program 'no-such-program' for payload missing: name it in the test's .payload or "
         ".workloads, so that it is brought along"},
        {&no_program, 0, "error", "cannot start payload no_program: Permission denied"},
};

START_TEST(a_payload_comes_to_what_it_says)
{
        struct json_object *result, *metric;
        struct driven d;

        current = &runs[_i];
        d = start(run_current, FIRST);
        result = end(&d);
        if (current->text)
                ck_assert_str_eq(kt_json_str(message(result, 0), "text"), current->text);
        else
                ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 0);
        ck_assert_str_eq(kt_json_str(result, "outcome"), current->outcome);
        metric = json_object_array_get_idx(kt_json_get(result, "metrics"), 0);
        if (!current->metric) {
                ck_assert_ptr_null(metric);
                return;
        }
        ck_assert_str_eq(kt_json_str(metric, "name"), current->metric);
        ck_assert_double_eq(kt_json_double(metric, "value", NAN), current->value);
}
END_TEST

static enum ktstr_outcome looks_at_results(struct ktstr_ctx *ctx)
{
        struct ktstr_payload_result ended, killed;
        struct ktstr_payload_handle *h = NULL;

        ktstr_payload_run(ctx, &failing, NULL, NULL, 0, &ended);
        if (ktstr_payload_start(ctx, &endless, NULL, NULL, &h) != KTSTR_PASS || !ktstr_payload_is_running(h))
                return ktstr_error(ctx, "it does not run");
        if (ktstr_payload_kill(ctx, h, &killed) != KTSTR_PASS)
                return ktstr_error(ctx, "to be killed is a miss");
        ktstr_metric(ctx, "exit_code", ended.exit_code, "");
        ktstr_metric(ctx, "exit_signal", ended.exit_signal, "");
        ktstr_metric(ctx, "killed_by", killed.exit_signal, "");
        return ended.outcome;
}

START_TEST(the_function_is_told_how_it_ended)
{
        static const double expected[] = {3, -1, SIGKILL};
        struct driven d = start(looks_at_results, FIRST);
        struct json_object *result = end(&d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "fail");
        for (unsigned i = 0; i < KT_ARRAY_SIZE(expected); i++)
                ck_assert_double_eq(
                        kt_json_double(json_object_array_get_idx(kt_json_get(result, "metrics"), i), "value",
                                       NAN),
                        expected[i]);
}
END_TEST

/* The file is whole from the moment it is there: who waits for it may end the shell at once. */
SHELL(writes_pids, "sleep 1000 & echo pids: $$ $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait");
static char pids_path[64];

static enum ktstr_outcome forgets(struct ktstr_ctx *ctx)
{
        struct ktstr_payload_handle *h = NULL;
        struct ktstr_op ops[] = {ktstr_op_run_payload(&endless, NULL), ktstr_op_run_payload(&endless, NULL)};
        const struct ktstr_step step = {.hold = KTSTR_HOLD_FIXED_MS(1), .ops = ops, .n_ops = 2};
        const struct ktstr_scenario scenario = {.steps = &step, .n_steps = 1};

        ktstr_payload_start(ctx, &writes_pids, NULL, KTSTR_LIST(pids_path), &h);
        while (access(pids_path, F_OK) < 0 && ktstr_payload_is_running(h))
                nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        return ktstr_run_scenario(ctx, &scenario);
}

/* Whoever forgets it has it ended, with what it has started; the same payload at the same place is one too
 * many. */
START_TEST(what_is_forgotten_ends_with_the_test)
{
        struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text = NULL;
        struct json_object *result;
        int pids[2] = {0};
        struct driven d;
        size_t size;

        snprintf(pids_path, sizeof(pids_path), "%s/pids", dir.path);
        d = start(forgets, FIRST);
        result = end(&d);
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "step 0: run_payload: payload endless runs there already");
        ck_assert_int_eq(kt_read_file(dir.fd, "pids", 4096, &text, &size), 0);
        ck_assert_int_eq(sscanf(text, "pids: %d %d", &pids[0], &pids[1]), 2);
        ck_assert_int_eq(kill(pids[0], 0), -1);
        /* An orphan that was killed is somebody else's to collect. */
        while (kill(pids[1], 0) == 0) {
                _cleanup_free_ char *path = kt_format("/proc/%d/stat", pids[1]), *stat = NULL;

                if (kt_read_file(AT_FDCWD, path, 4096, &stat, &size) < 0 || strstr(stat, ") Z "))
                        break;
                nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        unit_dir_done(&dir);
}
END_TEST

SHELL(metric_in_step, "echo rps: 3; exec sleep 0.05", .metrics = KTSTR_METRICS(RPS),
      .checks = KTSTR_PAYLOAD_CHECKS({"rps", KTSTR_CHECK_MIN, .min = 4}));

static enum ktstr_outcome uses_operations(struct ktstr_ctx *ctx)
{
        const struct ktstr_op ops[] = {
                ktstr_op_run_payload(&metric_in_step, NULL), ktstr_op_run_payload(&endless, NULL),
                ktstr_op_wait_payload(&metric_in_step, NULL, 0), ktstr_op_kill_payload(&endless, NULL)};
        const struct ktstr_step step = {
                .hold = KTSTR_HOLD_FIXED_MS(1), .ops = ops, .n_ops = KT_ARRAY_SIZE(ops)};
        const struct ktstr_scenario scenario = {.steps = &step, .n_steps = 1};
        enum ktstr_outcome outcome = ktstr_run_scenario(ctx, &scenario);

        ktstr_metric(ctx, "outcome", outcome, "");
        return KTSTR_PASS;
}

START_TEST(operations_run_wait_and_kill)
{
        struct driven d = start(uses_operations, FIRST);
        struct json_object *result = end(&d), *metrics = kt_json_get(result, "metrics");

        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "payload metric_in_step: rps is 3, below its minimum 4");
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 1);
        ck_assert_double_eq(kt_json_double(json_object_array_get_idx(metrics, 1), "value", NAN), KTSTR_FAIL);
}
END_TEST

static enum ktstr_outcome ends_what_is_held(struct ktstr_ctx *ctx)
{
        const struct ktstr_op kill = ktstr_op_kill_payload(&endless, NULL);
        const struct ktstr_step step = {.hold = KTSTR_HOLD_FIXED_MS(1), .ops = &kill, .n_ops = 1};
        const struct ktstr_scenario scenario = {.steps = &step, .n_steps = 1};
        struct ktstr_payload_handle *first, *second;
        struct ktstr_payload_result result = {};

        ktstr_payload_start(ctx, &endless, NULL, NULL, &first);
        ktstr_run_scenario(ctx, &scenario);
        /* Its name is free, and it is still known. */
        ktstr_payload_start(ctx, &endless, NULL, NULL, &second);
        if (ktstr_payload_is_running(first) || !ktstr_payload_is_running(second))
                return ktstr_fail(ctx, "the wrong one was killed");
        if (ktstr_payload_wait(ctx, first, 0, &result) != KTSTR_PASS || result.exit_signal != SIGKILL ||
            result.timed_out)
                return ktstr_fail(ctx, "it is not told how it ended");
        if (ktstr_payload_kill(ctx, second, &result) != KTSTR_PASS || result.exit_signal != SIGKILL)
                return ktstr_fail(ctx, "nor the other");
        /* And one of which nobody asks. */
        ktstr_payload_start(ctx, &endless, NULL, NULL, &first);
        return ktstr_run_scenario(ctx, &scenario);
}

START_TEST(a_handle_is_good_until_it_is_asked_for)
{
        struct driven d = start(ends_what_is_held, FIRST);
        struct json_object *result = end(&d);

        ck_assert_msg(strcmp(kt_json_str(result, "outcome"), "pass") == 0, "%s",
                      json_object_to_json_string(result));
}
END_TEST

#define FIRST_IMPATIENT                                                                                     \
        "{\"format\":1,\"test\":\"t\",\"duration_ms\":1500,\"workers\":3,\"seed\":7,\"emulated\":false,"    \
        "\"watchdog_ms\":1}\n"

static char pen_path[64];

static struct ktstr_payload_handle *failed_with_somebody_in_its_pen(struct ktstr_ctx *ctx)
{
        struct ktstr_payload_handle *h = NULL;
        siginfo_t info;

        ktstr_payload_start(ctx, &failing, NULL, NULL, &h);
        h->pen = strdup(pen_path);
        waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT);
        return h;
}

static enum ktstr_outcome kills_what_has_failed(struct ktstr_ctx *ctx)
{
        return ktstr_payload_kill(ctx, failed_with_somebody_in_its_pen(ctx), NULL);
}

static enum ktstr_outcome waits_for_what_has_failed(struct ktstr_ctx *ctx)
{
        return ktstr_payload_wait(ctx, failed_with_somebody_in_its_pen(ctx), 1, NULL);
}

static enum ktstr_outcome (*const ends_of_failed[])(struct ktstr_ctx *) = {kills_what_has_failed,
                                                                           waits_for_what_has_failed};

/* Whoever it has left behind, and who does not die here, is no excuse for how it ended itself. */
START_TEST(what_has_failed_is_a_miss_whoever_it_leaves_behind)
{
        struct unit_dir dir = unit_dir_new();
        struct json_object *result;
        struct driven d;

        snprintf(pen_path, sizeof(pen_path), "%s", dir.path);
        ck_assert_int_eq(kt_replace_file(dir.fd, "cgroup.events", "populated 1\n", 12, 0644), 0);
        d = start(ends_of_failed[_i], FIRST_IMPATIENT);
        result = end(&d);
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"),
                         "payload failing was killed 0 s ago and is not dead: nobody lets it run");
        ck_assert_str_eq(kt_json_str(message(result, 1), "text"),
                         "payload failing exited with 3 instead of 0: it is broken");
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 2);
        unit_dir_done(&dir);
}
END_TEST

static enum ktstr_outcome has_no_pen_in_time(struct ktstr_ctx *ctx)
{
        struct ktstr_payload_handle *h = NULL;
        enum ktstr_outcome outcome;

        body_of(ctx)->own_cgroup = strdup(pen_path);
        mkdir_is_late = true;
        outcome = ktstr_payload_start(ctx, &quiet, NULL, NULL, &h);
        return h ? ktstr_fail(ctx, "it was started") : outcome;
}

/* In the end nothing is left of what the kernel makes after it was waited for. */
START_TEST(a_pen_that_comes_too_late_goes_too)
{
        struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text =
                kt_format("cannot make cgroup %s/payload-1: the kernel does not come to it", dir.path);
        struct json_object *result;
        struct driven d;

        snprintf(pen_path, sizeof(pen_path), "%s", dir.path);
        d = start(has_no_pen_in_time, FIRST);
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"), text);
        ck_assert_int_eq(faccessat(dir.fd, "payload-1", F_OK, 0), -1);
        ck_assert_int_eq(errno, ENOENT);
        unit_dir_done(&dir);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("payload");
        TCase *tcase = tcase_create("payload");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, a_payload_comes_to_what_it_says, 0, KT_ARRAY_SIZE(runs));
        tcase_add_test(tcase, the_function_is_told_how_it_ended);
        tcase_add_test(tcase, what_is_forgotten_ends_with_the_test);
        tcase_add_test(tcase, operations_run_wait_and_kill);
        tcase_add_test(tcase, a_handle_is_good_until_it_is_asked_for);
        tcase_add_loop_test(tcase, what_has_failed_is_a_miss_whoever_it_leaves_behind, 0,
                            KT_ARRAY_SIZE(ends_of_failed));
        tcase_add_test(tcase, a_pen_that_comes_too_late_goes_too);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
