/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/expect.h"
#include "../../daemon/verdict.h"
#include "../../proto/errors.h"
#include "unit.h"

#define CRASH "ktstr: host-triggered crash"

static struct verdict v;
static struct expect expect;

/* A scheduler that the kernel threw out with the words of the reference's crash test. */
static void crashed(void)
{
        verdict_done(&v);
        v.has_sched = true;
        v.sched.attached = true;
        v.sched.outcome = SCHED_EJECTED;
        v.sched.exit_reason = strdup("scx_bpf_error");
        v.sched.exit_message = strdup(CRASH);
        verdict_judge(&v, "scx_x", true);
}

/* One with which nothing is wrong. */
static void healthy(void)
{
        verdict_done(&v);
        v.has_sched = true;
        v.has_body = true;
        v.sched.attached = true;
        v.sched.outcome = SCHED_STOPPED;
        verdict_judge(&v, "scx_x", true);
}

/* As run.c does it: search where that is wanted, then judge. */
static void judged(const char *log, enum verdict_kind kind, const char *reason)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "scheduler.log");
        struct expect_search search = {
                .expect = &expect, .log_path = path, .words = "scx_bpf_error\n" CRASH};

        if (log)
                ck_assert_int_eq(kt_replace_file(dir.fd, "scheduler.log", log, strlen(log), 0600), 0);
        if (expect_wants_search(&expect, &v))
                expect_search(&search);
        expect_judge(&expect, &search, &v, "scx_x");
        ck_assert_str_eq(verdict_kind_name(v.kind), verdict_kind_name(kind));
        if (reason)
                ck_assert_str_eq(v.reason, reason);
        kt_error_done(&search.error);
}

START_TEST(the_expected_error_is_a_pass)
{
        crashed();
        expect = (struct expect){.error = true};
        judged(NULL, VERDICT_PASS,
               "scx_x ended in the expected error: the kernel threw scx_x out: scx_bpf_error: " CRASH);
        crashed();
        expect.contains = (char *)CRASH;
        judged(NULL, VERDICT_PASS, NULL);
        crashed();
        expect.matches = (char *)"host-\\w+ crash$";
        judged("nothing of it here\n", VERDICT_PASS, NULL);
}
END_TEST

START_TEST(the_whole_log_is_looked_into)
{
        crashed();
        expect = (struct expect){
                .error = true, .contains = (char *)"deep in the dump", .matches = (char *)"(?m)^CPU 3"};
        judged("line\nCPU 3: deep in the dump\nEXIT: out\n", VERDICT_PASS, NULL);
        /* ^ and $ are the whole text's: what the kernel says stands behind the log. */
        crashed();
        expect = (struct expect){.error = true, .matches = (char *)"^EXIT"};
        judged("line\nEXIT: out\n", VERDICT_FAIL, NULL);
        crashed();
        expect.matches = (char *)"^line\nEXIT: out\nscx_bpf_error\n" CRASH "$";
        judged("line\nEXIT: out\n", VERDICT_PASS, NULL);
        crashed();
        judged("line\nEXIT: out", VERDICT_PASS, NULL);
}
END_TEST

START_TEST(another_error_is_a_fail_that_says_what_there_was)
{
        crashed();
        expect = (struct expect){.error = true, .contains = (char *)"something else"};
        judged("a log\n", VERDICT_FAIL,
               "expected error with 'something else', which is nowhere in what scx_x printed; it "
               "says: " CRASH);
        ck_assert_uint_eq(v.n_details, 1);
        ck_assert_str_eq(v.details[0], "the kernel threw scx_x out: scx_bpf_error: " CRASH);
        crashed();
        expect = (struct expect){.error = true, .contains = (char *)"host", .matches = (char *)"gu?est"};
        judged("a log\n", VERDICT_FAIL,
               "expected error matching 'gu?est', which nothing that scx_x printed does; it says: " CRASH);
}
END_TEST

START_TEST(an_excerpt_is_short_and_one_line)
{
        char *long_message = malloc(5001);
        const char *says;

        crashed();
        memset(long_message, 'x', 5000);
        long_message[5000] = '\0';
        long_message[10] = '\n';
        free(v.sched.exit_message);
        v.sched.exit_message = long_message;
        expect = (struct expect){.error = true, .contains = (char *)"something else"};
        judged(NULL, VERDICT_FAIL, NULL);
        says = strstr(v.reason, "it says: ");
        ck_assert_ptr_nonnull(says);
        ck_assert_uint_eq(strlen(says + 9), 400);
        ck_assert_ptr_null(strchr(v.reason, '\n'));
}
END_TEST

START_TEST(no_error_is_a_fail)
{
        expect = (struct expect){.error = true, .contains = (char *)CRASH};
        healthy();
        judged(NULL, VERDICT_FAIL, "expected error but test passed");
        /* It says the words, and went on. */
        healthy();
        judged(CRASH, VERDICT_FAIL, "expected error but test passed");
}
END_TEST

/* What the crash explains does not count; what was there before it does. */
START_TEST(the_tests_own_failure_counts_beside_the_expected_error)
{
        static const struct {
                enum ktstr_outcome said;
                enum kt_outcome found;
                uint64_t stopped_ns, gone_ns;
                const char *reason; /* NULL: it passes */
        } cases[] = {
                {KTSTR_FAIL, KT_PASS, 0, 0,
                 "counted 3 (scx_x ended in the expected error, and the test failed besides)"},
                {KTSTR_INCONCLUSIVE, KT_PASS, 0, 0, NULL},
                {KTSTR_PASS, KT_FAIL, 100, 100,
                 "tid 7 stuck (scx_x ended in the expected error, and the test failed besides)"},
                {KTSTR_PASS, KT_FAIL, 101, 100, NULL},
                {KTSTR_PASS, KT_FAIL, 100, 0, NULL},
                {KTSTR_PASS, KT_FAIL, 0, 100, NULL},
                {KTSTR_PASS, KT_INCONCLUSIVE, 100, 101, NULL},
        };

        expect = (struct expect){.error = true};
        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                crashed();
                v.has_body = true;
                v.body.messages = calloc(1, sizeof(*v.body.messages));
                v.body.n_messages = 1;
                v.body.messages[0] = (struct body_message){cases[i].said, strdup("counted 3\nof 4")};
                v.body.workload.stopped_ns = cases[i].stopped_ns;
                v.sched.gone_ns = cases[i].gone_ns;
                v.checks = calloc(1, sizeof(*v.checks));
                v.n_checks = 1;
                v.checks[0] = (struct kt_check_result){.outcome = cases[i].found, .text = "tid 7 stuck"};
                judged(NULL, cases[i].reason ? VERDICT_FAIL : VERDICT_PASS, cases[i].reason);
        }
        /* Another error stays what is told. */
        v.body.messages[0].outcome = KTSTR_FAIL;
        verdict_judge(&v, "scx_x", true);
        expect.contains = (char *)"something else";
        judged(NULL, VERDICT_FAIL,
               "expected error with 'something else', which is nowhere in what scx_x printed; it "
               "says: " CRASH);
}
END_TEST

START_TEST(what_never_attached_has_not_failed_as_expected)
{
        expect = (struct expect){.error = true};
        crashed();
        v.sched.attached = false;
        v.sched.outcome = SCHED_NOT_ATTACHED;
        v.sched.exit_code = 1;
        verdict_judge(&v, "scx_x", true);
        judged(CRASH, VERDICT_FAIL,
               "expected error, and a scheduler that never attached is not it: scx_x never attached, it "
               "exited with status 1");
}
END_TEST

START_TEST(a_miss_of_the_tests_is_not_the_schedulers_error)
{
        expect = (struct expect){.error = true};
        verdict_done(&v);
        v.has_sched = true;
        v.sched.attached = true;
        v.sched.outcome = SCHED_STOPPED;
        verdict_set(&v, VERDICT_FAIL, "tid 7 stuck");
        judged(NULL, VERDICT_FAIL, "expected error of scx_x, and this is none: tid 7 stuck");
}
END_TEST

START_TEST(each_end_by_itself_but_a_clean_one_is_an_error)
{
        static const struct {
                enum sched_outcome outcome;
                bool stopping;
                enum verdict_kind kind;
        } cases[] = {
                {SCHED_EJECTED, false, VERDICT_PASS}, {SCHED_FAILED, false, VERDICT_PASS},
                {SCHED_KILLED, false, VERDICT_PASS},  {SCHED_KILLED, true, VERDICT_FAIL},
                {SCHED_EXITED, false, VERDICT_FAIL},  {SCHED_RELEASED, false, VERDICT_FAIL},
                {SCHED_STUCK, true, VERDICT_FAIL},
        };

        expect = (struct expect){.error = true};
        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                crashed();
                v.sched.outcome = cases[i].outcome;
                v.sched.stopping = cases[i].stopping;
                verdict_judge(&v, "scx_x", true);
                judged(NULL, cases[i].kind, NULL);
        }
}
END_TEST

START_TEST(what_says_nothing_of_the_scheduler_stays)
{
        static const enum verdict_kind kinds[] = {VERDICT_INCONCLUSIVE, VERDICT_CANCELLED, VERDICT_ERROR,
                                                  VERDICT_SKIP};

        expect = (struct expect){.error = true};
        for (size_t i = 0; i < KT_ARRAY_SIZE(kinds); i++) {
                verdict_done(&v);
                verdict_set(&v, kinds[i], "as it was");
                judged(NULL, kinds[i], "as it was");
        }
        expect = (struct expect){};
        crashed();
        judged(NULL, VERDICT_FAIL, "the kernel threw scx_x out: scx_bpf_error: " CRASH);
}
END_TEST

/* Nothing can be said of the scheduler then, and the harness is not at fault. */
START_TEST(an_expression_that_cannot_be_decided_is_the_tests_error)
{
        char log[60];

        memset(log, 'a', sizeof(log));
        log[50] = '\n';
        log[51] = '\0';
        crashed();
        expect = (struct expect){.error = true, .matches = (char *)"^(a+)+\\w$"};
        judged(log, VERDICT_ERROR, NULL);
        ck_assert_str_eq(v.error, KT_E_TEST_PROGRAM);
        ck_assert_ptr_nonnull(strstr(v.reason, "backtracks too much"));
}
END_TEST

START_TEST(what_cannot_decide_anything_is_refused)
{
        static const struct {
                struct expect expect;
                const char *words;
        } cases[] = {
                {{.contains = (char *)"x"}, "expect.contains needs expect.error"},
                {{.matches = (char *)"x"}, "expect.matches needs expect.error"},
                {{.error = true, .contains = (char *)""}, "expect.contains is empty"},
                {{.error = true, .matches = (char *)""}, "expect.matches: the pattern is empty"},
                {{.error = true, .matches = (char *)".*"}, "matches the empty text"},
                {{.error = true, .matches = (char *)"a?"}, "matches the empty text"},
                {{.error = true, .matches = (char *)"^$"}, "matches the empty text"},
                {{.error = true, .matches = (char *)"a("}, "does not compile"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                ck_assert_int_eq(expect_check(&cases[i].expect, &err), -EINVAL);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
                ck_assert_str_eq(err.field, "expect");
                ck_assert_msg(strstr(kt_error_text(&err), cases[i].words), "%s", kt_error_text(&err));
        }
        expect = (struct expect){.error = true, .contains = (char *)"x", .matches = (char *)"x+"};
        ck_assert_int_eq(expect_check(&expect, NULL), 0);
}
END_TEST

UNIT_MAIN("expect", the_expected_error_is_a_pass, the_whole_log_is_looked_into,
          another_error_is_a_fail_that_says_what_there_was, an_excerpt_is_short_and_one_line,
          no_error_is_a_fail, the_tests_own_failure_counts_beside_the_expected_error,
          what_never_attached_has_not_failed_as_expected, a_miss_of_the_tests_is_not_the_schedulers_error,
          each_end_by_itself_but_a_clean_one_is_an_error, what_says_nothing_of_the_scheduler_stays,
          an_expression_that_cannot_be_decided_is_the_tests_error, what_cannot_decide_anything_is_refused)
