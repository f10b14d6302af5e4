/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/process.h"
#include "../../proto/errors.h"
#include "../lib/loop_test.h"
#include "../lib/suite.h"

struct fixture {
        struct loop_test t;
        struct process *process;
        unsigned exits;
        int status, signal;
        char *text;
};

static struct fixture f;

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        loop_test_begin(&f.t, 20000);
}

static void teardown(void)
{
        loop_test_end(&f.t);
        free(f.text);
}

static void on_process_exit(void *userdata, const struct process_exit *how)
{
        ck_assert_ptr_eq(userdata, &f);
        f.exits++;
        f.status = how->status;
        f.signal = how->signal;
        f.text = strdup(how->text);
        f.process = NULL;
}

static int start_with(const char *helper, const char *const *argv, const int *fds, size_t n_fds,
                      struct kt_error *reterr)
{
        const struct process_params params = {
                .exec_helper = helper,
                .argv = (char *const *)argv,
                .fds = fds,
                .n_fds = n_fds,
                .oom_score_adj = 123,
                .nice = 7,
        };

        return process_start(&f.t.loop, &params, on_process_exit, &f, &f.process, reterr);
}

static void start_shell(const char *script, const int *fds, size_t n_fds)
{
        const char *const argv[] = {"/bin/sh", "-c", script, NULL};

        ck_assert_int_eq(start_with(getenv("KTSTR_TEST_EXEC_HELPER"), argv, fds, n_fds, NULL), 0);
        ck_assert_int_gt(process_pid(f.process), 0);
}

static void run_shell(const char *script)
{
        start_shell(script, NULL, 0);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.exits, 1);
}

START_TEST(the_exit_code_is_told)
{
        run_shell("exit 7");
        ck_assert_int_eq(f.status, 7);
        ck_assert_int_eq(f.signal, 0);
        ck_assert_str_eq(f.text, "");
}
END_TEST

START_TEST(the_signal_is_told)
{
        run_shell("kill -TERM $$");
        ck_assert_int_eq(f.signal, SIGTERM);
}
END_TEST

START_TEST(standard_error_is_kept_and_standard_output_is_not)
{
        run_shell("echo out; echo one >&2; echo two >&2");
        ck_assert_str_eq(f.text, "one\ntwo\n");
}
END_TEST

START_TEST(the_last_words_of_many_are_kept)
{
        run_shell("i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i + 1)); done; echo the end >&2");
        ck_assert_uint_le(strlen(f.text), PROCESS_STDERR_MAX);
        ck_assert_uint_gt(strlen(f.text), PROCESS_STDERR_MAX / 2);
        ck_assert_str_eq(f.text + strlen(f.text) - 8, "the end\n");
}
END_TEST

START_TEST(kill_ends_it)
{
        start_shell("kill -STOP $$", NULL, 0);
        process_kill(f.process, SIGKILL);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(f.signal, SIGKILL);
}
END_TEST

START_TEST(descriptors_are_handed_down_in_order_and_no_others)
{
        int a[2], b[2];
        char text[8] = "";

        ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
        start_shell("echo A >&3; echo B >&4; exec ls /proc/self/fd >&2", (int[]){a[1], b[1]}, 2);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(read(a[0], text, sizeof(text)), 2);
        ck_assert_int_eq(text[0], 'A');
        ck_assert_int_eq(read(b[0], text, sizeof(text)), 2);
        ck_assert_int_eq(text[0], 'B');
        ck_assert_str_eq(f.text, "0\n1\n2\n3\n4\n5\n"); /* the last is ls's own */
        for (int i = 0; i < 2; i++) {
                close(a[i]);
                close(b[i]);
        }
}
END_TEST

START_TEST(the_helper_sets_what_it_is_for)
{
        run_shell("cat /proc/$$/oom_score_adj >&2; ulimit -c >&2; set -- $(cat /proc/$$/stat); [ $1 = $6 ] "
                  "&& echo leader >&2; echo ${19} >&2");
        ck_assert_str_eq(f.text, "123\n0\nleader\n7\n");
}
END_TEST

START_TEST(a_helper_that_is_not_there_is_an_error)
{
        const char *const argv[] = {"/bin/true", NULL};
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(start_with("/nonexistent/ktstrd-exec", argv, NULL, 0, &err), -ENOENT);
        ck_assert_ptr_nonnull(
                strstr(err.message, "cannot start /bin/true through /nonexistent/ktstrd-exec"));
        kt_error_done(&err);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.exits, 0);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_said_by_the_helper)
{
        const char *const argv[] = {"/nonexistent/qemu", NULL};

        ck_assert_int_eq(start_with(getenv("KTSTR_TEST_EXEC_HELPER"), argv, NULL, 0, NULL), 0);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(f.status, 127);
        ck_assert_str_eq(f.text, "cannot run /nonexistent/qemu: No such file or directory\n");
}
END_TEST

/* A daemon with a child, to be killed. The child is stopped: only SIGKILL ends it. */
static void be_daemon(int fd)
{
        char parent[16];

        snprintf(parent, sizeof(parent), "%d", getpid());
        if (fork() == 0) {
                dup2(fd, STDOUT_FILENO);
                execl(getenv("KTSTR_TEST_EXEC_HELPER"), "ktstrd-exec", parent, "0", "0", "3", "/bin/sh",
                      "-c", "echo up; kill -STOP $$", NULL);
                _exit(1);
        }
        for (;;)
                pause();
}

START_TEST(a_child_dies_with_its_daemon)
{
        int up[2];
        char buf[16];
        pid_t daemon;

        ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
        daemon = fork();
        if (daemon == 0)
                be_daemon(up[1]);
        close(up[1]);
        ck_assert_int_eq(read(up[0], buf, sizeof(buf)), 3);
        kill(daemon, SIGKILL);
        waitpid(daemon, NULL, 0);
        /* Only the child holds the other end by now: that it closes means that the child is gone. */
        ck_assert_int_eq(read(up[0], buf, sizeof(buf)), 0);
        close(up[0]);
}
END_TEST

START_TEST(the_helper_does_not_run_for_somebody_else)
{
        char command[512];

        snprintf(command, sizeof(command), "'%s' 1 0 0 3 /bin/echo ran 2>&1",
                 getenv("KTSTR_TEST_EXEC_HELPER"));
        run_shell(command);
        ck_assert_int_eq(f.status, 70);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("process");
        TCase *c = tcase_create("process");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, the_exit_code_is_told);
        tcase_add_test(c, the_signal_is_told);
        tcase_add_test(c, standard_error_is_kept_and_standard_output_is_not);
        tcase_add_test(c, the_last_words_of_many_are_kept);
        tcase_add_test(c, kill_ends_it);
        tcase_add_test(c, descriptors_are_handed_down_in_order_and_no_others);
        tcase_add_test(c, the_helper_sets_what_it_is_for);
        tcase_add_test(c, a_helper_that_is_not_there_is_an_error);
        tcase_add_test(c, a_program_that_is_not_there_is_said_by_the_helper);
        tcase_add_test(c, a_child_dies_with_its_daemon);
        tcase_add_test(c, the_helper_does_not_run_for_somebody_else);
        suite_add_tcase(s, c);
        return suite_run(s);
}
