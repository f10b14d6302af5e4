/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/verdict.h"
#include "../../proto/errors.h"
#include "unit.h"

#include <errno.h>

static struct verdict v;
static struct kt_check_result checks[3];

/* A healthy run of a scheduler, of which the cases spoil one thing. */
static void healthy(void)
{
        verdict_done(&v);
        v.has_sched = true;
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
        verdict_judge(&v, "scx_x");
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
        v.sched.outcome = SCHED_RELEASED;
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

START_TEST(no_report_is_the_harnesss_fault)
{
        healthy();
        v.n_checks = 0;
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
          the_schedulers_end_weighs_before_the_checks, no_report_is_the_harnesss_fault,
          an_error_keeps_its_name)
