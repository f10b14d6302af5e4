/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../client/repro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../proto/codec.h"
#include "../lib/suite.h"

/* A verdict: its word, and the scheduler's members; NULL: there is none. */
static struct json_object *verdict_of(const char *word, const char *sched)
{
        char text[1024];
        struct json_object *o;

        if (sched)
                snprintf(text, sizeof(text),
                         "{\"verdict\": \"%s\", \"reason\": \"why\", \"scheduler\": {\"name\": \"s\", %s}}",
                         word, sched);
        else
                snprintf(text, sizeof(text), "{\"verdict\": \"%s\", \"reason\": \"why\"}", word);
        o = json_tokener_parse(text);
        ck_assert_ptr_nonnull(o);
        return o;
}

#define ATTACHED "\"attached\": true, \"outcome\": "
#define EJECTED(kind, message)                                                                              \
        ATTACHED "\"ejected\", \"exit_kind\": \"" kind                                                      \
                 "\", \"exit_reason\": \"r\", \"exit_message\": \"" message "\""
#define STALL EJECTED("error_stall", "a[1] failed to run for 4.031s")
#define BPF EJECTED("error_bpf", "weight 300 of kworker/0:1[77] at 0xffff8880 out of range")

/* --- when --- */

static const struct {
        const char *test, *word, *sched;
        bool due;
} dues[] = {
        {"\"scheduler\": \"s\"", "fail", STALL, true},
        {"\"scheduler\": \"s\"", "fail", BPF, true},
        {"\"scheduler\": \"s\"", "fail", EJECTED("error", "m"), true},
        /* of words that are new */
        {"\"scheduler\": \"s\"", "fail", EJECTED("unknown", "m"), true},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"killed\", \"exit_signal\": 11", true},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"failed\", \"exit_code\": 1", true},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"exited\", \"exit_code\": 0", true},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"released\"", true},
        {"\"scheduler\": \"s\", \"auto_repro\": true", "fail", STALL, true},
        {"\"scheduler\": \"s\", \"auto_repro\": false", "fail", STALL, false},
        {"\"scheduler\": \"s\", \"expect_err\": true", "fail", STALL, false},
        {"\"scheduler\": \"s\", \"expect_err\": false", "fail", STALL, true},
        {"\"name\": \"of EEVDF\"", "fail", NULL, false},
        /* no error of its own */
        {"\"scheduler\": \"s\"", "fail", EJECTED("unreg_kern", "cpu 1 going offline"), false},
        {"\"scheduler\": \"s\"", "fail", EJECTED("unreg_bpf", "m"), false},
        {"\"scheduler\": \"s\"", "fail", EJECTED("sysrq", "m"), false},
        /* no death */
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"stopped\"", false},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"stuck\"", false},
        {"\"scheduler\": \"s\"", "fail", ATTACHED "\"unknown\"", false},
        {"\"scheduler\": \"s\"", "fail", "\"attached\": false, \"outcome\": \"not_attached\"", false},
        {"\"scheduler\": \"s\"", "fail", "\"attached\": false, \"outcome\": \"failed\"", false},
        /* no failure, or none of the scheduler's */
        {"\"scheduler\": \"s\"", "inconclusive", STALL, false},
        {"\"scheduler\": \"s\"", "cancelled", STALL, false},
        {"\"scheduler\": \"s\"", "error", STALL, false},
        {"\"scheduler\": \"s\"", "skip", ATTACHED "\"stopped\"", false},
        {"\"scheduler\": \"s\"", "pass", ATTACHED "\"stopped\"", false},
};

START_TEST(a_failure_for_the_schedulers_death_is_run_once_more)
{
        char text[256];
        struct json_object *verdict = verdict_of(dues[_i].word, dues[_i].sched), *test;

        snprintf(text, sizeof(text), "{%s}", dues[_i].test);
        test = json_tokener_parse(text);
        ck_assert_int_eq(repro_is_due(test, verdict), dues[_i].due);
        ck_assert(!repro_is_due(test, NULL));
        json_object_put(test);
        json_object_put(verdict);
}
END_TEST

/* --- the same? --- */

static const struct {
        const char *first, *word, *second; /* word NULL: no verdict */
        const char *outcome;
} pairs[] = {
        {BPF, "fail", BPF, "same"},
        /* but for numbers, and who it was */
        {BPF, "fail", EJECTED("error_bpf", "weight 7 of a_b[9] at 0x12cd out of range"), "same"},
        {BPF, "fail", EJECTED("error_bpf", "weight 7 of a_b[9] at 0x12cd"), "different"},
        {BPF, "fail", EJECTED("error_bpf", "weight 7 of a_b[9] at 0x12cd out of range, and more"),
         "different"},
        {BPF, "fail", EJECTED("error_bpf", "height 300 of kworker/0:1[77] at 0xffff8880 out of range"),
         "different"},
        {BPF, "fail", EJECTED("error_bpf", ""), "different"},
        {BPF, "fail", EJECTED("error", "weight 300 of kworker/0:1[77] at 0xffff8880 out of range"),
         "different"},
        {BPF, "fail", STALL, "different"},
        /* whoever waited */
        {STALL, "fail", EJECTED("error_stall", "b b[77] failed to run for 12.5s (cpu 3)"), "same"},
        /* the host explains it: a death all the same */
        {STALL, "inconclusive", STALL, "same"},
        {ATTACHED "\"ejected\", \"exit_kind\": \"error\"", "fail",
         ATTACHED "\"ejected\", \"exit_kind\": \"error\"", "same"},
        {ATTACHED "\"ejected\", \"exit_kind\": \"error\"", "fail", EJECTED("error", "m"), "different"},
        {ATTACHED "\"killed\", \"exit_signal\": 11", "fail", ATTACHED "\"killed\", \"exit_signal\": 11",
         "same"},
        {ATTACHED "\"killed\", \"exit_signal\": 11", "fail", ATTACHED "\"killed\", \"exit_signal\": 6",
         "different"},
        {ATTACHED "\"failed\", \"exit_code\": 1", "fail", ATTACHED "\"failed\", \"exit_code\": 1", "same"},
        {ATTACHED "\"failed\", \"exit_code\": 1", "fail", ATTACHED "\"failed\", \"exit_code\": 2",
         "different"},
        {ATTACHED "\"failed\", \"exit_code\": 1", "fail", ATTACHED "\"exited\", \"exit_code\": 0",
         "different"},
        {BPF, "fail", EJECTED("unreg_kern", "cpu 1 going offline"), "different"},
        {BPF, "fail", ATTACHED "\"stuck\"", "different"},
        /* its guest went down with it */
        {BPF, "fail", ATTACHED "\"unknown\"", "different"},
        {BPF, "pass", ATTACHED "\"stopped\"", "none"},
        {BPF, "fail", ATTACHED "\"stopped\"", "none"},
        {BPF, "inconclusive", ATTACHED "\"stopped\"", "none"},
        {BPF, "skip", ATTACHED "\"stopped\"", "unknown"},
        {BPF, "error", ATTACHED "\"stopped\"", "unknown"},
        {BPF, "error", ATTACHED "\"unknown\"", "unknown"},
        {BPF, "cancelled", BPF, "unknown"},
        {BPF, "fail", "\"attached\": false, \"outcome\": \"not_attached\"", "unknown"},
        {BPF, "error", NULL, "unknown"},
        {BPF, NULL, NULL, "unknown"},
};

START_TEST(two_runs_are_told_apart)
{
        struct json_object *first = verdict_of("fail", pairs[_i].first),
                           *second = pairs[_i].word ? verdict_of(pairs[_i].word, pairs[_i].second) : NULL;

        ck_assert_str_eq(repro_outcome_word(repro_compare(first, second)), pairs[_i].outcome);
        json_object_put(first);
        json_object_put(second);
}
END_TEST

/* --- how it is told --- */

static const struct {
        const char *second, *why, *line;
} lines[] = {
        {"\"verdict\": \"fail\", \"reason\": \"thrown out: b\\nmore\", \"scheduler\": {" BPF
         ", \"ended_after_ms\": 1249}",
         NULL, "auto-repro: it died again the same way (thrown out: b) after 1.2 s"},
        {"\"verdict\": \"fail\", \"reason\": \"thrown out: b\", \"scheduler\": {" BPF "}", NULL,
         "auto-repro: it died again the same way (thrown out: b)"},
        {"\"verdict\": \"fail\", \"reason\": \"thrown out: s\", \"scheduler\": {" STALL
         ", \"ended_after_ms\": 0}",
         NULL, "auto-repro: it ended otherwise after 0.0 s: thrown out: s"},
        {"\"verdict\": \"pass\", \"reason\": \"well\", \"scheduler\": {" ATTACHED "\"stopped\"}", NULL,
         "auto-repro: it ran to its end: not reproduced"},
        {"\"verdict\": \"fail\", \"reason\": \"a gap\", \"scheduler\": {" ATTACHED "\"stopped\"}", NULL,
         "auto-repro: it ran to its end: not reproduced (fail: a gap)"},
        {"\"verdict\": \"fail\", \"reason\": \"s never attached\", \"scheduler\": {\"attached\": false, "
         "\"outcome\": \"not_attached\"}",
         NULL, "auto-repro: s never attached: says nothing"},
        {"\"verdict\": \"error\", \"error\": \"io.ktstrd.Job.GuestBoot\", \"reason\": \"no word in 60 s\"",
         NULL, "auto-repro: the guest was not ready: no word in 60 s: says nothing"},
        {"\"verdict\": \"error\", \"error\": \"io.ktstrd.Job.TestProgram\", \"reason\": \"it hung\"", NULL,
         "auto-repro: error: it hung: says nothing"},
        {"\"verdict\": \"skip\", \"reason\": \"no NUMA\", \"scheduler\": {" ATTACHED "\"stopped\"}", NULL,
         "auto-repro: skip: no NUMA: says nothing"},
        {"\"verdict\": \"cancelled\", \"reason\": \"cancelled\"", NULL,
         "auto-repro: cancelled: says nothing"},
        {"\"verdict\": \"pass\", \"reason\": \"well\", \"scheduler\": {" ATTACHED
         "\"stopped\"}, \"trace_error\": \"no tracefs\"",
         NULL, "auto-repro: it ran to its end: not reproduced; no trace: no tracefs"},
        {"\"verdict\": \"pass\", \"reason\": \"well\", \"scheduler\": {" ATTACHED
         "\"stopped\"}, \"trace\": [\"a\"], \"trace_error\": \"f\"",
         NULL, "auto-repro: it ran to its end: not reproduced; not traced: f"},
        {"\"verdict\": \"pass\", \"reason\": \"well\", \"scheduler\": {\"name\": \"s\", \"attached\": "
         "false, "
         "\"outcome\": \"stopped\"}",
         NULL, "auto-repro: s never attached: says nothing"},
        {NULL, "no daemon", "auto-repro: no daemon: says nothing"},
        {NULL, NULL, "auto-repro: no verdict came: says nothing"},
};

START_TEST(a_line_says_what_the_second_run_showed)
{
        char text[1024];
        struct json_object *first = verdict_of("fail", BPF), *second = NULL, *repro;
        _cleanup_free_ char *line = NULL;

        snprintf(text, sizeof(text), "{%s}", lines[_i].second ? lines[_i].second : "");
        if (lines[_i].second)
                ck_assert_ptr_nonnull(second = json_tokener_parse(text));
        repro = repro_tell(first, second, lines[_i].why);
        line = repro_line(repro);
        ck_assert_str_eq(line, lines[_i].line);
        json_object_put(repro);
        json_object_put(first);
        json_object_put(second);
}
END_TEST

/* One word, as long as a guest's text may be: it would be looked through from each of its letters. */
START_TEST(a_long_word_is_read_once)
{
        enum { SIZE = 16 << 20 };
        _cleanup_free_ char *word = malloc(SIZE + 1);
        struct json_object *first = verdict_of("fail", BPF),
                           *sched = json_object_object_get(first, "scheduler");

        memset(word, 'a', SIZE);
        word[SIZE] = '\0';
        kt_json_add_str(sched, "exit_message", word);
        ck_assert_int_eq(repro_compare(first, first), REPRO_SAME);
        json_object_put(first);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("repro");
        TCase *c = tcase_create("repro");

        tcase_add_loop_test(c, a_failure_for_the_schedulers_death_is_run_once_more, 0,
                            (int)KT_ARRAY_SIZE(dues));
        tcase_add_loop_test(c, two_runs_are_told_apart, 0, (int)KT_ARRAY_SIZE(pairs));
        tcase_add_loop_test(c, a_line_says_what_the_second_run_showed, 0, (int)KT_ARRAY_SIZE(lines));
        tcase_add_test(c, a_long_word_is_read_once);
        suite_add_tcase(s, c);
        return suite_run(s);
}
