/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../common/error.h"
#include "unit.h"

START_TEST(set_fills_everything_and_returns_the_number)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        errno = EAGAIN;
        ck_assert_int_eq(kt_error_set_field(&err, -ENOENT, "a.B", "files[1]", "no %s", "file"), -ENOENT);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert(kt_error_isset(&err));
        ck_assert_int_eq(err.num, -ENOENT);
        ck_assert_str_eq(err.name, "a.B");
        ck_assert_str_eq(err.field, "files[1]");
        ck_assert_str_eq(kt_error_text(&err), "no file");
}
END_TEST

static int refuse(struct kt_error *reterr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct kt_error *reterr, const char *fmt, ...)
{
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = kt_error_setv_field(reterr, -EINVAL, "a.B", "kargs", fmt, ap);
        va_end(ap);
        return r;
}

START_TEST(arguments_of_another_function_are_taken)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(refuse(&err, "%d of %s", 3, "them"), -EINVAL);
        ck_assert_str_eq(err.name, "a.B");
        ck_assert_str_eq(err.field, "kargs");
        ck_assert_str_eq(kt_error_text(&err), "3 of them");
        ck_assert_int_eq(refuse(NULL, "nobody reads it"), -EINVAL);
}
END_TEST

START_TEST(null_is_allowed_everywhere)
{
        struct kt_error src = KT_ERROR_INIT;

        ck_assert_int_eq(kt_error_set(NULL, -EIO, NULL, "x"), -EIO);
        ck_assert_int_eq(kt_error_prefix(NULL, "x"), 0);
        kt_error_done(NULL);
        kt_error_set(&src, -EIO, NULL, "x");
        kt_error_move(NULL, &src);
        ck_assert(!kt_error_isset(&src));
        ck_assert_ptr_null(src.message);
        ck_assert_str_eq(kt_error_text(NULL), "no error");
}
END_TEST

START_TEST(old_content_may_be_an_argument_of_the_new)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set_field(&err, -EIO, NULL, "f", "cause");
        kt_error_set(&err, -EPIPE, NULL, "context (%s)", err.message);
        ck_assert_str_eq(err.message, "context (cause)");
        ck_assert_int_eq(err.num, -EPIPE);
        ck_assert_ptr_null(err.field);
}
END_TEST

START_TEST(message_is_one_line)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EIO, NULL, "first\nsecond\x1b[31m\tend \n\n");
        ck_assert_str_eq(err.message, "first second [31m end");
}
END_TEST

START_TEST(prefix_keeps_number_name_and_field)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set_field(&err, -EIO, "a.B", "f", "cause");
        ck_assert_int_eq(kt_error_prefix(&err, "while %d", 7), -EIO);
        ck_assert_str_eq(err.message, "while 7: cause");
        ck_assert_str_eq(err.name, "a.B");
        ck_assert_str_eq(err.field, "f");
}
END_TEST

START_TEST(move_releases_the_target_and_empties_the_source)
{
        _cleanup_(kt_error_done) struct kt_error dst = KT_ERROR_INIT, src = KT_ERROR_INIT;

        kt_error_set(&dst, -EIO, NULL, "old");
        kt_error_set(&src, -ENOENT, NULL, "new");
        kt_error_move(&dst, &src);
        ck_assert_str_eq(dst.message, "new");
        ck_assert_int_eq(src.num, 0);
        ck_assert_ptr_null(src.message);
}
END_TEST

START_TEST(text_without_message_is_that_of_the_number)
{
        struct kt_error err = {.num = -ENOENT};

        ck_assert_str_eq(kt_error_text(&err), strerror(ENOENT));
}
END_TEST

UNIT_MAIN("error", set_fills_everything_and_returns_the_number, arguments_of_another_function_are_taken,
          null_is_allowed_everywhere, old_content_may_be_an_argument_of_the_new, message_is_one_line,
          prefix_keeps_number_name_and_field, move_releases_the_target_and_empties_the_source,
          text_without_message_is_that_of_the_number)
