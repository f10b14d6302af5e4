/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../daemon/tail.h"
#include "unit.h"

static void expect_lines(const struct tail *t, unsigned lines, const char *expected)
{
        _cleanup_free_ char *got = tail_lines(t, lines);

        ck_assert_str_eq(got, expected);
}

START_TEST(the_last_lines_are_those_that_were_said_last)
{
        _cleanup_(tail_done) struct tail t;
        _cleanup_free_ char *last = NULL;

        ck_assert_int_eq(tail_init(&t, 100), 0);
        expect_lines(&t, 3, "");
        tail_add(&t, "one\r\ntwo\nthr", 12);
        tail_add(&t, "ee\n\n\n", 5);
        expect_lines(&t, 0, "");
        expect_lines(&t, 1, "three");
        expect_lines(&t, 2, "two\nthree");
        expect_lines(&t, 10, "one\ntwo\nthree");
        last = tail_last_line(&t);
        ck_assert_str_eq(last, "three");
}
END_TEST

START_TEST(of_a_text_without_end_the_end_is_kept_however_it_comes)
{
        for (size_t piece = 1; piece < 40; piece++) {
                _cleanup_(tail_done) struct tail t;
                char text[200];

                for (size_t i = 0; i < sizeof(text); i++)
                        text[i] = (char)('a' + i % 26);
                ck_assert_int_eq(tail_init(&t, 10), 0);
                for (size_t at = 0; at < sizeof(text); at += piece)
                        tail_add(&t, text + at, at + piece > sizeof(text) ? sizeof(text) - at : piece);
                ck_assert_uint_eq(strlen(tail_text(&t)), 10);
                ck_assert_mem_eq(tail_text(&t), text + sizeof(text) - 10, 10);
        }
}
END_TEST

START_TEST(nul_bytes_do_not_hide_what_follows)
{
        _cleanup_(tail_done) struct tail t;

        ck_assert_int_eq(tail_init(&t, 100), 0);
        tail_add(&t, "a\0b\0\nc", 6);
        ck_assert_str_eq(tail_text(&t), "ab\nc");
}
END_TEST

UNIT_MAIN("tail", the_last_lines_are_those_that_were_said_last,
          of_a_text_without_end_the_end_is_kept_however_it_comes, nul_bytes_do_not_hide_what_follows)
