/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/pattern.h"
#include "../lib/suite.h"

#define PATIENT_MS 60000U

/* Whatever asks this program for the time asks here: an hour more each time where it is to pass, as where
 * others have the CPUs. */
static bool time_flies;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
        static time_t flown_s;
        int r = (int)syscall(SYS_clock_gettime, clock, ret);

        if (time_flies && clock != CLOCK_THREAD_CPUTIME_ID)
                ret->tv_sec += flown_s += 3600;
        return r;
}

static struct kt_pattern *compiled(const char *expression)
{
        struct kt_pattern *p = NULL;

        ck_assert_int_eq(kt_pattern_new(expression, &p, NULL), 0);
        return p;
}

static int found(const char *expression, const char *text)
{
        struct kt_pattern *p = compiled(expression);
        int r = kt_pattern_find_within(p, text, strlen(text), 0, 0, PATIENT_MS, NULL);

        kt_pattern_free(p);
        return r;
}

static void refused(const char *expression, const char *text)
{
        struct kt_error err = KT_ERROR_INIT;
        struct kt_pattern *p = NULL;

        ck_assert_int_eq(kt_pattern_new(expression, &p, &err), -EINVAL);
        ck_assert_ptr_null(p);
        ck_assert_msg(strstr(kt_error_text(&err), text), "%s", kt_error_text(&err));
        kt_error_done(&err);
}

START_TEST(what_is_in_every_text_is_refused)
{
        refused("", "is empty");
        refused(".*", "matches the empty text");
        refused("a?", "matches the empty text");
        refused("^$", "matches the empty text");
        refused("(?m)^", "matches the empty text");
        refused("x|", "matches the empty text");
}
END_TEST

START_TEST(what_does_not_compile_is_told_with_its_place)
{
        refused("ab(c", "missing closing parenthesis, at its character 4");
}
END_TEST

START_TEST(anchors_are_the_whole_texts_unless_told)
{
        ck_assert_int_eq(found("^b", "a\nb\n"), 0);
        ck_assert_int_eq(found("a$", "a\nb\n"), 0);
        ck_assert_int_eq(found("(?m)^b$", "a\nb\n"), 1);
        ck_assert_int_eq(found("b$", "a\nb"), 1);
}
END_TEST

START_TEST(groups_are_where_they_are)
{
        struct kt_pattern *p = compiled("(x)?rps: ([0-9.]+)");
        const char *text = "rps: 12.5, rps: 7";
        const size_t size = strlen(text);
        struct kt_span span;

        ck_assert_uint_eq(kt_pattern_groups(p), 2);
        ck_assert_int_eq(kt_pattern_find_within(p, text, size, 0, 2, PATIENT_MS, &span), 1);
        ck_assert_uint_eq(span.begin, 5);
        ck_assert_uint_eq(span.end, 9);
        ck_assert_int_eq(kt_pattern_find_within(p, text, size, span.end, 2, PATIENT_MS, &span), 1);
        ck_assert_uint_eq(span.begin, 16);
        for (unsigned absent = 1; absent <= 3; absent += 2) {
                ck_assert_int_eq(kt_pattern_find_within(p, text, size, 0, absent, PATIENT_MS, &span), 1);
                ck_assert_uint_eq(span.begin, (size_t)-1);
        }
        ck_assert_int_eq(kt_pattern_find_within(p, text, size, size, 0, PATIENT_MS, NULL), 0);
        kt_pattern_free(p);
}
END_TEST

START_TEST(the_last_is_that_in_which_the_group_took_part)
{
        struct kt_pattern *p = compiled("rps: (?:([0-9.]+)|none)");
        const char *text = "rps: 12.5, rps: 7 rps: none";
        struct kt_span span = {1, 1};

        ck_assert_int_eq(kt_pattern_find_last_within(p, text, strlen(text), 1, PATIENT_MS, &span), 1);
        ck_assert_uint_eq(span.begin, 16);
        ck_assert_uint_eq(span.end, 17);
        ck_assert_int_eq(kt_pattern_find_last_within(p, text, strlen(text), 0, PATIENT_MS, &span), 1);
        ck_assert_uint_eq(span.begin, 18);
        ck_assert_int_eq(kt_pattern_find_last_within(p, text, 4, 0, PATIENT_MS, &span), 0);
        ck_assert_int_eq(kt_pattern_find_last_within(p, "rps: none", 9, 1, PATIENT_MS, &span), 0);
        kt_pattern_free(p);
        /* One that finds nothing at a place, and so moves on by itself. */
        p = compiled("(?<=x)");
        ck_assert_int_eq(kt_pattern_find_last_within(p, "xxa", 3, 0, PATIENT_MS, &span), 1);
        ck_assert_uint_eq(span.begin, 2);
        kt_pattern_free(p);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_searched_as_well)
{
        struct kt_pattern *p = compiled("end");

        ck_assert_int_eq(kt_pattern_find_within(p, "\xff\0\xfe end", 7, 0, 0, PATIENT_MS, NULL), 1);
        kt_pattern_free(p);
}
END_TEST

/* The text of one who wants the daemon to think for an hour. */
START_TEST(backtracking_has_a_bound)
{
        struct kt_pattern *p = compiled("^(a+)+$");
        char text[41];

        memset(text, 'a', sizeof(text) - 1);
        text[39] = 'b';
        text[40] = '\0';
        ck_assert_int_eq(kt_pattern_find_within(p, text, 40, 0, 0, PATIENT_MS, NULL), -ERANGE);
        kt_pattern_free(p);
}
END_TEST

/* Longer than what is looked at between two looks at the clock. */
START_TEST(a_long_text_is_searched_to_its_end)
{
        enum { SIZE = 3000000 };
        struct kt_pattern *p = compiled("x[0-9]+$");
        char *text = malloc(SIZE);

        memset(text, 'x', SIZE);
        ck_assert_int_eq(kt_pattern_find_within(p, text, SIZE, 0, 0, PATIENT_MS, NULL), 0);
        memcpy(text + SIZE - 5, "x1234", 5);
        ck_assert_int_eq(kt_pattern_find_within(p, text, SIZE, 0, 0, PATIENT_MS, NULL), 1);
        ck_assert_int_eq(kt_pattern_find_within(p, text, 0, 0, 0, PATIENT_MS, NULL), 0);
        free(text);
        kt_pattern_free(p);
}
END_TEST

/* Each place takes long, none too long, and there are many. */
START_TEST(a_long_search_has_an_end)
{
        enum { SIZE = 4000000 };
        struct kt_pattern *p = compiled("(a|aa)+b");
        char *text = malloc(SIZE);
        struct kt_span span;

        for (int i = 0; i < SIZE; i++)
                text[i] = i % 16 == 0 ? 'c' : i % 1024 == 1 ? 'b' : 'a';
        ck_assert_int_eq(kt_pattern_find_within(p, text, SIZE - 1, 0, 0, 1, NULL), -ETIMEDOUT);
        ck_assert_int_eq(kt_pattern_find_last_within(p, text, SIZE - 1, 0, 1, &span), -ETIMEDOUT);
        free(text);
        kt_pattern_free(p);
}
END_TEST

/* A busy machine makes no pattern slow. */
START_TEST(its_end_is_one_of_cpu_time)
{
        enum { SIZE = 100000 };
        struct kt_pattern *p = compiled("(x)+y");
        char *text = malloc(SIZE);
        struct kt_span span;
        int first, last;

        for (int i = 0; i < SIZE; i++)
                text[i] = i % 10 == 0 ? '-' : 'x';
        text[SIZE - 1] = 'y';
        time_flies = true;
        first = kt_pattern_find_within(p, text, SIZE, 0, 0, PATIENT_MS, NULL);
        last = kt_pattern_find_last_within(p, text, SIZE, 0, PATIENT_MS, &span);
        time_flies = false;
        ck_assert_int_eq(first, 1);
        ck_assert_int_eq(last, 1);
        free(text);
        kt_pattern_free(p);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("pattern");
        TCase *tc = tcase_create("pattern");

        tcase_add_test(tc, what_is_in_every_text_is_refused);
        tcase_add_test(tc, what_does_not_compile_is_told_with_its_place);
        tcase_add_test(tc, anchors_are_the_whole_texts_unless_told);
        tcase_add_test(tc, groups_are_where_they_are);
        tcase_add_test(tc, the_last_is_that_in_which_the_group_took_part);
        tcase_add_test(tc, bytes_that_are_no_text_are_searched_as_well);
        tcase_add_test(tc, backtracking_has_a_bound);
        tcase_add_test(tc, a_long_text_is_searched_to_its_end);
        tcase_add_test(tc, a_long_search_has_an_end);
        tcase_add_test(tc, its_end_is_one_of_cpu_time);
        suite_add_tcase(s, tc);
        return suite_run(s);
}
