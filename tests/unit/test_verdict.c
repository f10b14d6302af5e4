/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/verdict.h"
#include "../../proto/errors.h"
#include "unit.h"

#include <errno.h>

static struct verdict v;
static struct kt_check_result checks[3];
static bool is_test;

/* A healthy run of a scheduler, of which the cases spoil one thing. */
static void healthy(void)
{
        verdict_done(&v);
        is_test = false;
        v.has_sched = true;
        v.has_body = true;
        v.body.workload.cgroups = calloc(1, sizeof(struct kt_cgroup));
        v.body.workload.n_cgroups = 1;
        v.sched.attached = true;
        v.sched.outcome = SCHED_STOPPED;
        for (int i = 0; i < 3; i++)
                checks[i] = (struct kt_check_result){.outcome = KT_PASS, .text = "fine"};
        v.checks = calloc(3, sizeof(*v.checks));
        v.n_checks = 3;
        memcpy(v.checks, checks, sizeof(checks));
}

static void judged(enum verdict_kind kind, const char *reason)
{
        verdict_judge(&v, v.has_sched ? "scx_x" : NULL, is_test);
        ck_assert_str_eq(verdict_kind_name(v.kind), verdict_kind_name(kind));
        ck_assert_str_eq(v.reason, reason);
}

START_TEST(all_well_is_a_pass)
{
        healthy();
        judged(VERDICT_PASS, "scx_x attached, the workload was served, all checks passed");
        v.has_sched = false;
        judged(VERDICT_PASS, "the workload was served under EEVDF, all checks passed");
}
END_TEST

START_TEST(the_worst_check_decides)
{
        healthy();
        v.checks[1] = (struct kt_check_result){.outcome = KT_INCONCLUSIVE, .text = "the host"};
        judged(VERDICT_INCONCLUSIVE, "the host");
        v.checks[2] = (struct kt_check_result){.outcome = KT_FAIL, .text = "tid 7 stuck"};
        judged(VERDICT_FAIL, "tid 7 stuck");
}
END_TEST

START_TEST(each_end_of_a_scheduler_has_its_words)
{
        healthy();
        v.sched.outcome = SCHED_EXITED;
        judged(VERDICT_FAIL, "scx_x exited cleanly (status 0) before the workload ended");
        v.sched.outcome = SCHED_FAILED;
        v.sched.exit_code = 7;
        v.sched.error_text = strdup("no luck");
        judged(VERDICT_FAIL, "scx_x exited with status 7 before the workload ended: no luck");
        v.sched.outcome = SCHED_KILLED;
        v.sched.exit_signal = 11;
        judged(VERDICT_FAIL,
               "scx_x was killed by signal 11 (Segmentation fault) before the workload ended: no luck");
        v.sched.outcome = SCHED_NOT_ATTACHED;
        v.sched.exit_signal = -1;
        judged(VERDICT_FAIL, "scx_x never attached, it exited with status 7: no luck");
        v.sched.exit_code = -1;
        judged(VERDICT_FAIL, "scx_x never attached in the time it had: no luck");
        v.sched.outcome = SCHED_EJECTED;
        v.sched.exit_reason = strdup("runnable task stall");
        v.sched.exit_message = strdup("x[1] failed to run for 5.0s");
        judged(VERDICT_FAIL, "the kernel threw scx_x out: runnable task stall: x[1] failed to run for 5.0s");
        free(v.sched.exit_message);
        v.sched.exit_message = NULL;
        judged(VERDICT_FAIL, "the kernel threw scx_x out: runnable task stall");
        free(v.sched.error_text);
        v.sched.error_text = strdup(
                "EXIT: unregistered from main kernel (cpu 1 going offline, exiting scheduler)\nmore)");
        judged(VERDICT_FAIL, "the kernel threw scx_x out: runnable task stall (cpu 1 going offline, exiting "
                             "scheduler)");
        free(v.sched.error_text);
        v.sched.error_text = strdup("no luck");
        v.sched.outcome = SCHED_RELEASED;
        /* a part of the kernel, which has no process */
        judged(VERDICT_FAIL, "scx_x let go of sched_ext by itself before the workload ended: no luck");
        v.sched.exit_code = 0;
        judged(VERDICT_FAIL,
               "scx_x let go of sched_ext by itself before the workload ended, and did not exit: no luck");
        v.sched.outcome = SCHED_STUCK;
        judged(VERDICT_FAIL, "scx_x did not let go: sched_ext is not disabled after it was stopped");
}
END_TEST

START_TEST(a_crash_on_the_way_out_is_a_fail)
{
        healthy();
        v.sched.stopping = true;
        v.sched.outcome = SCHED_KILLED;
        v.sched.exit_signal = 11;
        judged(VERDICT_FAIL,
               "scx_x was killed by signal 11 (Segmentation fault) while it was being stopped");
}
END_TEST

START_TEST(how_it_left_is_noted)
{
        healthy();
        v.sched.exit_code = 130;
        judged(VERDICT_PASS, "scx_x attached, the workload was served, all checks passed");
        ck_assert_uint_eq(v.n_details, 1);
        ck_assert_str_eq(v.details[0], "scx_x exited with status 130 when it was told to stop");
        healthy();
        v.sched.exit_signal = 9;
        judged(VERDICT_PASS, "scx_x attached, the workload was served, all checks passed");
        ck_assert_str_eq(v.details[0], "scx_x did not leave on SIGINT and was killed");
}
END_TEST

START_TEST(the_schedulers_end_weighs_before_the_checks)
{
        healthy();
        v.checks[0] = (struct kt_check_result){.outcome = KT_FAIL, .text = "tid 7 stuck"};
        v.sched.outcome = SCHED_EXITED;
        judged(VERDICT_FAIL, "scx_x exited cleanly (status 0) before the workload ended");
}
END_TEST

/* A test that says so; the array is the verdict's. */
static void say(enum ktstr_outcome outcome, const char *text)
{
        v.body.messages = realloc(v.body.messages, (v.body.n_messages + 1) * sizeof(*v.body.messages));
        v.body.messages[v.body.n_messages++] = (struct body_message){outcome, strdup(text)};
        v.body.outcome = outcome > v.body.outcome ? outcome : v.body.outcome;
}

START_TEST(what_a_test_says_weighs_before_the_checks)
{
        healthy();
        say(KTSTR_PASS, "a word");
        judged(VERDICT_PASS, "scx_x attached, the workload was served, all checks passed");
        say(KTSTR_SKIP, "no second node");
        judged(VERDICT_SKIP, "no second node");
        v.checks[1] = (struct kt_check_result){.outcome = KT_INCONCLUSIVE, .text = "the host"};
        judged(VERDICT_INCONCLUSIVE, "the host");
        say(KTSTR_INCONCLUSIVE, "too short");
        judged(VERDICT_INCONCLUSIVE, "too short");
        v.checks[2] = (struct kt_check_result){.outcome = KT_FAIL, .text = "tid 7 stuck"};
        judged(VERDICT_FAIL, "tid 7 stuck");
        say(KTSTR_FAIL, "lost 3 wake-ups\nof 5");
        judged(VERDICT_FAIL, "lost 3 wake-ups");
        say(KTSTR_ERROR, "cgroup 'a/b': there is no 'a'");
        judged(VERDICT_ERROR, "cgroup 'a/b': there is no 'a'");
        ck_assert_str_eq(v.error, KT_E_TEST_PROGRAM);
        v.sched.outcome = SCHED_EXITED;
        judged(VERDICT_FAIL, "scx_x exited cleanly (status 0) before the workload ended");
}
END_TEST

/* `return ktstr_run(…)` returns what the checks look like from within the guest. */
START_TEST(what_a_test_returns_of_its_checks_is_judged_here)
{
        healthy();
        v.body.outcome = KTSTR_FAIL;
        v.checks[1] = (struct kt_check_result){.outcome = KT_INCONCLUSIVE, .text = "the host"};
        judged(VERDICT_INCONCLUSIVE, "the host");
        v.checks[1].outcome = KT_PASS;
        judged(VERDICT_FAIL, "the test returned this without a word; ktstr_fail() and its like say why");
}
END_TEST

START_TEST(a_test_need_not_have_a_workload)
{
        healthy();
        v.n_checks = 0;
        judged(VERDICT_PASS, "scx_x attached, the workload was served, nothing was checked");
        v.body.workload.n_cgroups = 0;
        judged(VERDICT_ERROR, "the guest reported no workload");
        is_test = true;
        judged(VERDICT_PASS, "scx_x attached, the test passed, no worker ran");
        v.has_sched = false;
        judged(VERDICT_PASS, "the test passed under EEVDF, no worker ran");
}
END_TEST

START_TEST(a_scenario_that_is_skipped_has_none)
{
        healthy();
        v.n_checks = 0;
        v.body.workload.n_cgroups = 0;
        say(KTSTR_SKIP, "needs 2 LLCs");
        judged(VERDICT_SKIP, "needs 2 LLCs");
}
END_TEST

START_TEST(no_report_is_the_harnesss_fault)
{
        healthy();
        v.n_checks = 0;
        v.has_body = false;
        judged(VERDICT_ERROR, "the guest reported no workload");
        v.sched.outcome = SCHED_UNKNOWN;
        judged(VERDICT_ERROR, "the guest did not say how scx_x ended");
}
END_TEST

START_TEST(an_error_keeps_its_name)
{
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EIO, KT_E_GUEST_DIED, "it died");
        verdict_init(&v);
        verdict_set_error(&v, &err);
        ck_assert_int_eq(v.kind, VERDICT_ERROR);
        ck_assert_str_eq(v.error, KT_E_GUEST_DIED);
        ck_assert_str_eq(v.reason, "it died");
        kt_error_done(&err);
        verdict_done(&v);
        ck_assert_ptr_null(v.reason);
}
END_TEST

UNIT_MAIN("verdict", all_well_is_a_pass, the_worst_check_decides, each_end_of_a_scheduler_has_its_words,
          a_crash_on_the_way_out_is_a_fail, how_it_left_is_noted,
          the_schedulers_end_weighs_before_the_checks, what_a_test_says_weighs_before_the_checks,
          what_a_test_returns_of_its_checks_is_judged_here, a_test_need_not_have_a_workload,
          a_scenario_that_is_skipped_has_none, no_report_is_the_harnesss_fault, an_error_keeps_its_name)
