/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for the kernel, played by a pipe that is read late, or never. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/body/sysfs_writer.h"
#include "unit.h"

START_TEST(emulated_cpus_are_given_more_time)
{
        ck_assert_uint_eq(sysfs_writer_patience_ms(0, false), 0);
        ck_assert_uint_eq(sysfs_writer_patience_ms(40000, false), 40000);
        ck_assert_uint_eq(sysfs_writer_patience_ms(0, true), 20000);
        ck_assert_uint_eq(sysfs_writer_patience_ms(3000, true), 20000);
        ck_assert_uint_eq(sysfs_writer_patience_ms(40000, true), 40000);
}
END_TEST

static struct conversation talk = {.fd = -1};

START_TEST(patience_ends_when_it_is_over)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *fifo = kt_path_join(dir.path, "fifo");
        struct sysfs_writer *s;

        kt_list_init(&talk.watches);
        s = sysfs_writer_new(&talk);
        ck_assert_ptr_nonnull(s);
        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        sysfs_writer_set_patience(s, 1000000);
        talk.stop = "time";
        ck_assert_int_eq(sysfs_writer_write(s, fifo, "x", 1), -ETIMEDOUT);
        sysfs_writer_free(s);
}
END_TEST

START_TEST(what_comes_within_patience_is_done)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *fifo = kt_path_join(dir.path, "fifo");
        struct sysfs_writer *s;
        char c = 0;
        pid_t pid;
        int status;

        kt_list_init(&talk.watches);
        s = sysfs_writer_new(&talk);
        ck_assert_ptr_nonnull(s);
        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        sysfs_writer_set_patience(s, 60000);
        pid = fork();
        if (pid == 0) {
                int fd = open(fifo, O_RDONLY | O_CLOEXEC);

                _exit(read(fd, &c, 1) == 1 && c == 'x' ? 0 : 1);
        }
        ck_assert_int_eq(sysfs_writer_write(s, fifo, "x", 0), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        sysfs_writer_free(s);
}
END_TEST

UNIT_MAIN("sysfs_writer", emulated_cpus_are_given_more_time, patience_ends_when_it_is_over,
          what_comes_within_patience_is_done)
