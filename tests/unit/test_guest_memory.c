/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../daemon/guest_memory.h"
#include "../lib/suite.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* Another process that has two nodes mapped, the second one first, as two pieces each (a page between them
 * may differ in rights). */
struct fixture {
        struct memory_layout layout;
        struct guest_memory_file files[2];
        uint8_t *node[2]; /* our own mappings */
        int fds[2];
        pid_t pid;
};

static struct fixture f;

static void be_qemu(int ready_fd, int flags)
{
        for (int i = 1; i >= 0; i--) {
                uint8_t *p = mmap(NULL, f.layout.node_size[i], PROT_READ | PROT_WRITE, flags, f.fds[i], 0);

                if (p == MAP_FAILED || mprotect(p + 4096, 4096, PROT_READ) < 0)
                        _exit(1);
        }
        if (write(ready_fd, "", 1) != 1)
                _exit(1);
        for (;;)
                pause();
}

static void start(int flags)
{
        int ready[2];
        char c;

        ck_assert_int_eq(pipe(ready), 0);
        f.pid = fork();
        ck_assert_int_ge(f.pid, 0);
        if (f.pid == 0)
                be_qemu(ready[1], flags);
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        close(ready[0]);
        close(ready[1]);
}

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        f.layout = (struct memory_layout){
                .size = 20 * MIB, .low_size = 16 * MIB, .n_nodes = 2, .node_size = {12 * MIB, 8 * MIB}};
        for (int i = 0; i < 2; i++) {
                f.fds[i] = memfd_create("same name", MFD_CLOEXEC);
                ck_assert_int_ge(f.fds[i], 0);
                ck_assert_int_eq(ftruncate(f.fds[i], (off_t)f.layout.node_size[i]), 0);
                ck_assert_int_eq(guest_memory_file_of(f.fds[i], &f.files[i]), 0);
                f.node[i] =
                        mmap(NULL, f.layout.node_size[i], PROT_READ | PROT_WRITE, MAP_SHARED, f.fds[i], 0);
                ck_assert_ptr_ne(f.node[i], MAP_FAILED);
        }
}

static void stop(void)
{
        if (f.pid <= 0)
                return;
        kill(f.pid, SIGKILL);
        waitpid(f.pid, NULL, 0);
        f.pid = 0;
}

static void teardown(void)
{
        stop();
        for (int i = 0; i < 2; i++)
                close(f.fds[i]);
}

static struct guest_memory *open_memory(void)
{
        struct kt_error err = KT_ERROR_INIT;
        struct guest_memory *m = NULL;

        ck_assert_msg(guest_memory_open(f.pid, &f.layout, f.files, &m, &err) == 0, "%s",
                      kt_error_text(&err));
        return m;
}

START_TEST(what_is_written_is_in_the_nodes)
{
        struct guest_memory *m;
        char back[12] = "";

        start(MAP_SHARED);
        m = open_memory();
        ck_assert_int_eq(guest_memory_write(m, 12 * MIB - 6, "hello, world", 12), 0);
        ck_assert_mem_eq(f.node[0] + 12 * MIB - 6, "hello,", 6);
        ck_assert_mem_eq(f.node[1], " world", 6);
        ck_assert_int_eq(guest_memory_read(m, 12 * MIB - 6, back, 12), 0);
        ck_assert_mem_eq(back, "hello, world", 12);
        guest_memory_free(m);
}
END_TEST

START_TEST(memory_above_the_hole_is_the_last_nodes_end)
{
        struct guest_memory *m;

        start(MAP_SHARED);
        m = open_memory();
        ck_assert_int_eq(guest_memory_write(m, 4 * GIB, "high", 4), 0);
        ck_assert_mem_eq(f.node[1] + 4 * MIB, "high", 4);
        guest_memory_free(m);
}
END_TEST

START_TEST(what_is_no_memory_is_refused)
{
        struct guest_memory *m;
        char c;

        start(MAP_SHARED);
        m = open_memory();
        ck_assert_int_eq(guest_memory_read(m, 16 * MIB, &c, 1), -EFAULT);
        ck_assert_int_eq(guest_memory_read(m, 16 * MIB - 1, &c, 2), -EFAULT);
        ck_assert_int_eq(guest_memory_write(m, 4 * GIB + 4 * MIB, &c, 1), -EFAULT);
        ck_assert_int_eq(guest_memory_read(m, UINT64_MAX, &c, 1), -EFAULT);
        guest_memory_free(m);
}
END_TEST

START_TEST(a_private_mapping_is_written_and_its_file_is_not)
{
        struct guest_memory *m;
        char back[4];

        start(MAP_PRIVATE);
        m = open_memory();
        ck_assert_int_eq(guest_memory_write(m, MIB, "mine", 4), 0);
        ck_assert_int_eq(guest_memory_read(m, MIB, back, 4), 0);
        ck_assert_mem_eq(back, "mine", 4);
        ck_assert_mem_eq(f.node[0] + MIB, "\0\0\0\0", 4);
        guest_memory_free(m);
}
END_TEST

START_TEST(a_node_that_is_not_mapped_is_named)
{
        struct kt_error err = KT_ERROR_INIT;
        struct guest_memory *m;

        start(MAP_SHARED);
        f.files[1].ino++;
        ck_assert_int_eq(guest_memory_open(f.pid, &f.layout, f.files, &m, &err), -ENXIO);
        ck_assert_ptr_nonnull(strstr(err.message, "node 1"));
        kt_error_done(&err);
}
END_TEST

START_TEST(a_node_that_is_mapped_in_part_is_refused)
{
        struct guest_memory *m;

        start(MAP_SHARED);
        f.layout.node_size[1] += 4096;
        ck_assert_int_eq(guest_memory_open(f.pid, &f.layout, f.files, &m, NULL), -ENXIO);
}
END_TEST

START_TEST(memory_is_gone_with_its_process)
{
        struct guest_memory *m, *other;
        siginfo_t ended;
        char c;

        start(MAP_SHARED);
        m = open_memory();
        kill(f.pid, SIGKILL);
        /* Not reaped: its pid is nobody else's. */
        ck_assert_int_eq(waitid(P_PID, (id_t)f.pid, &ended, WEXITED | WNOWAIT), 0);
        ck_assert_int_lt(guest_memory_read(m, MIB, &c, 1), 0);
        ck_assert_int_lt(guest_memory_write(m, MIB, "x", 1), 0);
        ck_assert_int_eq(guest_memory_open(f.pid, &f.layout, f.files, &other, NULL), -ESRCH);
        guest_memory_free(m);
}
END_TEST

/* A folder on an overlay in a mount namespace of our own: check runs each test in a process of its own.
 * False where that may not be done. */
static bool enter_overlay(void)
{
        return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0 && mkdir("/mnt/l", 0700) == 0 &&
               mkdir("/mnt/u", 0700) == 0 && mkdir("/mnt/w", 0700) == 0 && mkdir("/mnt/m", 0700) == 0 &&
               mount("overlay", "/mnt/m", "overlay", 0, "lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w") ==
                       0;
}

START_TEST(files_on_an_overlay_are_recognised)
{
        struct guest_memory *m;

        if (!enter_overlay()) {
                printf("not tested: an overlay cannot be mounted here: %s\n", strerror(errno));
                return;
        }
        for (int i = 0; i < 2; i++) {
                close(f.fds[i]);
                f.fds[i] = open(i ? "/mnt/m/1" : "/mnt/m/0", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                ck_assert_int_ge(f.fds[i], 0);
                ck_assert_int_eq(ftruncate(f.fds[i], (off_t)f.layout.node_size[i]), 0);
                ck_assert_int_eq(guest_memory_file_of(f.fds[i], &f.files[i]), 0);
        }
        start(MAP_SHARED);
        m = open_memory();
        ck_assert_int_eq(guest_memory_write(m, MIB, "over", 4), 0);
        guest_memory_free(m);
}
END_TEST

START_TEST(what_cannot_be_mapped_is_no_memory)
{
        struct guest_memory_file file;
        int pipe_fds[2];

        ck_assert_int_eq(pipe(pipe_fds), 0);
        ck_assert_int_lt(guest_memory_file_of(pipe_fds[0], &file), 0);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("guest_memory");
        TCase *c = tcase_create("guest_memory");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, what_is_written_is_in_the_nodes);
        tcase_add_test(c, memory_above_the_hole_is_the_last_nodes_end);
        tcase_add_test(c, what_is_no_memory_is_refused);
        tcase_add_test(c, a_private_mapping_is_written_and_its_file_is_not);
        tcase_add_test(c, a_node_that_is_not_mapped_is_named);
        tcase_add_test(c, a_node_that_is_mapped_in_part_is_refused);
        tcase_add_test(c, memory_is_gone_with_its_process);
        tcase_add_test(c, files_on_an_overlay_are_recognised);
        tcase_add_test(c, what_cannot_be_mapped_is_no_memory);
        suite_add_tcase(s, c);
        return suite_run(s);
}
