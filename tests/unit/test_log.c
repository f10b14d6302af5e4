/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/log.h"
#include "unit.h"

/* stderr goes to a file from here on; the test's process ends with it. */
static void capture(struct unit_dir *dir)
{
        int fd = openat(dir->fd, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        close(fd);
}

static void expect_log(struct unit_dir *dir, const char *expected)
{
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(kt_read_file(dir->fd, "log", 1 << 16, &text, NULL), 0);
        ck_assert_str_eq(text, expected);
}

START_TEST(lines_carry_level_and_context)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct kt_log_context none;

        capture(&dir);
        ck_assert_int_eq(kt_log_open("test", "stderr", LOG_INFO), 0);
        kt_log_info("plain %d", 1);
        none = kt_log_swap_context((struct kt_log_context){.job = "j7", .uid = 1000});
        ck_assert_int_eq(none.uid, -1);
        errno = EAGAIN;
        kt_log_error("bad");
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_str_eq(kt_log_swap_context(none).job, "j7");
        kt_log_debug("not at this level");
        kt_log_warning("after");
        expect_log(&dir, "info: plain 1\nerror: [job=j7 uid=1000] bad\nwarning: after\n");
}
END_TEST

START_TEST(journal_is_taken_only_when_stderr_is_its_socket)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        capture(&dir);
        setenv("JOURNAL_STREAM", "1:2", 1);
        ck_assert_int_eq(kt_log_open("test", "auto", LOG_INFO), 0);
        kt_log_info("here");
        expect_log(&dir, "info: here\n");
}
END_TEST

START_TEST(unknown_or_missing_target_is_refused)
{
        /* Without its socket libsystemd would throw the lines away. */
        if (access("/run/systemd/journal/socket", F_OK) < 0)
                ck_assert_int_eq(kt_log_open("test", "journal", LOG_INFO), -ENOENT);
        ck_assert_int_eq(kt_log_open("test", "syslog", LOG_INFO), -EINVAL);
}
END_TEST

START_TEST(closed_stderr_does_not_lend_its_number_to_a_file)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct stat st;
        int fd;

        close(STDERR_FILENO);
        ck_assert_int_eq(kt_log_open("test", "stderr", LOG_INFO), 0);
        fd = openat(dir.fd, "precious", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_gt(fd, STDERR_FILENO);
        kt_log_error("must go nowhere");
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_size, 0);
        close(fd);
}
END_TEST

UNIT_MAIN("log", lines_carry_level_and_context, journal_is_taken_only_when_stderr_is_its_socket,
          unknown_or_missing_target_is_refused, closed_stderr_does_not_lend_its_number_to_a_file)
