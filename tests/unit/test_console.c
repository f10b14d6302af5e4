/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/console.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"

static struct tail tail;
static struct console console;

static void setup(void)
{
        ck_assert_int_eq(tail_init(&tail, 16), 0);
        ck_assert_int_eq(console_init(&console, NULL, NULL), 0);
}

static void teardown(void)
{
        tail_done(&tail);
        console_done(&console);
}

static void add(const char *text)
{
        tail_add(&tail, text, strlen(text));
}

static void expect_lines(unsigned lines, const char *expected)
{
        _cleanup_free_ char *text = tail_lines(&tail, lines);

        ck_assert_str_eq(text, expected);
}

START_TEST(an_empty_tail_has_no_lines)
{
        expect_lines(3, "");
        add("\n\n  \n");
        expect_lines(3, "");
        ck_assert_str_eq(tail_text(&tail), "\n\n  \n");
}
END_TEST

START_TEST(the_end_is_kept_and_no_more)
{
        add("0123456789");
        add("abcdef");
        ck_assert_str_eq(tail_text(&tail), "0123456789abcdef");
        add("gh");
        ck_assert_str_eq(tail_text(&tail), "23456789abcdefgh");
        add("one text that is longer than all that is kept");
        ck_assert_str_eq(tail_text(&tail), "all that is kept");
        for (int i = 0; i < 1000; i++)
                add("xyz");
        ck_assert_str_eq(tail_text(&tail), "zxyzxyzxyzxyzxyz");
}
END_TEST

START_TEST(lines_are_counted_from_the_end)
{
        add("a\nbb\nccc\n\n");
        expect_lines(1, "ccc");
        expect_lines(2, "bb\nccc");
        expect_lines(3, "a\nbb\nccc");
        expect_lines(9, "a\nbb\nccc");
        expect_lines(0, "");
}
END_TEST

START_TEST(what_would_end_a_string_is_dropped)
{
        tail_add(&tail, "a\r\nb\0c\n", 7);
        ck_assert_str_eq(tail_text(&tail), "a\nbc\n");
}
END_TEST

static const struct {
        const char *text, *line;
} tellings[] = {
        {"", ""},
        {"one\ntwo\r\n\r\n", "two"},
        {"[    0.1] Run /init\n", "Run /init"},
        {"[    1.5] Kernel panic - not syncing: no root\n[    1.6] CPU: 0\n",
         "Kernel panic - not syncing: no root"},
        {"[    1.4] BUG: kernel NULL pointer dereference\n[ 1.5] Kernel panic - not syncing: Fatal "
         "exception\n[1.6] x\n",
         "Kernel panic - not syncing: Fatal exception"},
        {"[    1.4] BUG: kernel NULL pointer dereference, address: 0\n[    1.5] RIP: 0010:x\n",
         "BUG: kernel NULL pointer dereference, address: 0"},
        {"Kernel panic - not syncing: a\nKernel panic - not syncing: b\n", "Kernel panic - not syncing: b"},
        {"ktstr-guest: cannot mount /proc\nand more\n", "ktstr-guest: cannot mount /proc"},
};

START_TEST(the_telling_line)
{
        _cleanup_free_ char *line = NULL;

        console_add(&console, tellings[_i].text, strlen(tellings[_i].text));
        line = console_telling_line(&console);
        ck_assert_str_eq(line, tellings[_i].line);
}
END_TEST

START_TEST(a_long_line_is_cut)
{
        _cleanup_free_ char *line = NULL;

        for (int i = 0; i < 1000; i++)
                console_add(&console, "xxxxxxxxxx", 10);
        line = console_telling_line(&console);
        ck_assert_uint_eq(strlen(line), 300);
}
END_TEST

START_TEST(the_file_is_whole_up_to_its_limit)
{
        static char block[1 << 20];
        char path[] = "/tmp/ktstr-console-XXXXXX";
        _cleanup_free_ char *end = NULL;
        struct console c;
        struct stat st;
        int fd = mkstemp(path);

        memset(block, 'x', sizeof(block));
        ck_assert_int_eq(console_init(&c, path, NULL), 0);
        for (unsigned i = 0; i < CONSOLE_FILE_MAX / sizeof(block); i++)
                console_add(&c, block, sizeof(block));
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_size, CONSOLE_FILE_MAX);
        console_add(&c, "y", 1);
        console_add(&c, "z", 1);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_size, CONSOLE_FILE_MAX + 38);
        ck_assert_str_eq(tail_text(&c.tail) + CONSOLE_TAIL_MAX - 3, "xyz");
        console_done(&c);
        close(fd);
        unlink(path);
}
END_TEST

START_TEST(a_full_disk_ends_the_file_and_nothing_else)
{
        struct console c;

        ck_assert_int_eq(console_init(&c, NULL, NULL), 0);
        c.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        console_add(&c, "one\n", 4);
        ck_assert_int_eq(c.fd, -1);
        console_add(&c, "two\n", 4);
        ck_assert_str_eq(tail_text(&c.tail), "one\ntwo\n");
        console_done(&c);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_an_error)
{
        struct kt_error err = KT_ERROR_INIT;
        struct console c;

        ck_assert_int_eq(console_init(&c, "/nonexistent/console", &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_IO);
        kt_error_done(&err);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("console");
        TCase *c = tcase_create("console");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, an_empty_tail_has_no_lines);
        tcase_add_test(c, the_end_is_kept_and_no_more);
        tcase_add_test(c, lines_are_counted_from_the_end);
        tcase_add_test(c, what_would_end_a_string_is_dropped);
        tcase_add_loop_test(c, the_telling_line, 0, (int)KT_ARRAY_SIZE(tellings));
        tcase_add_test(c, a_long_line_is_cut);
        tcase_add_test(c, the_file_is_whole_up_to_its_limit);
        tcase_add_test(c, a_full_disk_ends_the_file_and_nothing_else);
        tcase_add_test(c, a_file_that_cannot_be_made_is_an_error);
        suite_add_tcase(s, c);
        return suite_run(s);
}
