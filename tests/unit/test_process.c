/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/process.h"
#include "../../proto/errors.h"
#include "../lib/loop_test.h"
#include "../lib/suite.h"

#define LINE_MAX_HERE 16U

struct fixture {
        struct loop_test t;
        char lines[16][LINE_MAX_HERE + 1];
        size_t sizes[16];
        bool cut[16];
        unsigned n_lines;
        void (*on_line)(void);
        struct process *process;
        unsigned exits;
        int status, signal;
        char *text;
};

static struct fixture f;

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        loop_test_begin(&f.t, 50000);
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

        ck_assert_int_eq(start_with(KT_TEST_EXEC_HELPER, argv, fds, n_fds, NULL), 0);
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

        ck_assert_int_eq(start_with(KT_TEST_EXEC_HELPER, argv, NULL, 0, NULL), 0);
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
                execl(KT_TEST_EXEC_HELPER, "ktstrd-exec", parent, "0", "0", "3", "/bin/sh", "-c",
                      "echo up; kill -STOP $$", NULL);
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

        snprintf(command, sizeof(command), "'%s' 1 0 0 3 /bin/echo ran 2>&1", KT_TEST_EXEC_HELPER);
        run_shell(command);
        ck_assert_int_eq(f.status, 70);
}
END_TEST

/* --- lines, standard input, another user --- */

static void on_line(void *userdata, const char *line, size_t size, bool cut)
{
        ck_assert_ptr_eq(userdata, &f);
        ck_assert_uint_le(size, LINE_MAX_HERE);
        ck_assert_int_eq(line[size], '\0');
        if (f.n_lines < 16) {
                memcpy(f.lines[f.n_lines], line, size + 1);
                f.sizes[f.n_lines] = size;
                f.cut[f.n_lines] = cut;
        }
        f.n_lines++;
        if (f.on_line)
                f.on_line();
}

static void talk(struct process_params params, const char *script)
{
        char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};

        params.exec_helper = KT_TEST_EXEC_HELPER;
        params.argv = argv;
        params.on_line = on_line;
        params.line_max = LINE_MAX_HERE;
        ck_assert_int_eq(process_start(&f.t.loop, &params, on_process_exit, &f, &f.process, NULL), 0);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.exits, 1);
}

START_TEST(lines_of_standard_output_are_told)
{
        talk((struct process_params){}, "printf 'one\\n\\nthree\\0x\\nlast'; echo error >&2");
        ck_assert_uint_eq(f.n_lines, 4);
        ck_assert_str_eq(f.lines[0], "one");
        ck_assert_uint_eq(f.sizes[1], 0);
        ck_assert_uint_eq(f.sizes[2], 7);
        ck_assert_mem_eq(f.lines[2], "three\0x", 7);
        ck_assert_str_eq(f.lines[3], "last");
        ck_assert_str_eq(f.text, "error\n");
        ck_assert(!f.cut[0] && !f.cut[3]);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_cut)
{
        talk((struct process_params){}, "echo 0123456789abcdef; echo 0123456789abcdefg; head -c 300000 "
                                        "/dev/zero | tr '\\0' x; echo; echo "
                                        "ok");
        ck_assert_uint_eq(f.n_lines, 4);
        ck_assert_str_eq(f.lines[0], "0123456789abcdef");
        ck_assert(!f.cut[0]);
        ck_assert_str_eq(f.lines[1], "0123456789abcdef");
        ck_assert(f.cut[1]);
        ck_assert_str_eq(f.lines[2], "xxxxxxxxxxxxxxxx");
        ck_assert(f.cut[2]);
        ck_assert_str_eq(f.lines[3], "ok");
        ck_assert(!f.cut[3]);
}
END_TEST

static void kill_it(void)
{
        process_kill(f.process, SIGKILL);
}

START_TEST(a_line_that_never_ends_is_told_when_it_is_too_long)
{
        f.on_line = kill_it;
        talk((struct process_params){}, "while :; do printf 0123456789; done");
        ck_assert_uint_eq(f.n_lines, 1);
        ck_assert(f.cut[0]);
        ck_assert_int_eq(f.signal, SIGKILL);
}
END_TEST

START_TEST(many_lines_come_whole)
{
        talk((struct process_params){}, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done");
        ck_assert_uint_eq(f.n_lines, 20000);
}
END_TEST

static void answer_go(void)
{
        if (f.n_lines == 1)
                ck_assert_int_eq(process_write(f.process, "go\n"), 0);
        else
                process_close_stdin(f.process);
}

START_TEST(it_is_written_to)
{
        f.on_line = answer_go;
        talk((struct process_params){.has_stdin = true},
             "echo plan; read a; echo $a; if read b; then echo $b; else echo end; fi");
        ck_assert_uint_eq(f.n_lines, 3);
        ck_assert_str_eq(f.lines[1], "go");
        ck_assert_str_eq(f.lines[2], "end");
}
END_TEST

static void write_much(void)
{
        static char much[200000];

        memset(much, 'x', sizeof(much) - 1);
        ck_assert_int_eq(process_write(f.process, much), 0);
        process_kill(f.process, SIGKILL);
}

START_TEST(what_it_did_not_read_is_dropped)
{
        f.on_line = write_much;
        talk((struct process_params){.has_stdin = true}, "echo up; exec sleep 1000");
        ck_assert_int_eq(f.signal, SIGKILL);
}
END_TEST

static void kill_group(void)
{
        process_kill_group(f.process, SIGTERM);
}

START_TEST(its_group_is_killed_with_it)
{
        int fds[2];
        char c;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        f.on_line = kill_group;
        talk((struct process_params){.fds = &fds[1], .n_fds = 1}, "sleep 1000 & echo up; wait");
        ck_assert_int_eq(f.signal, SIGTERM);
        close(fds[1]);
        /* The sleeper has the other end until it is gone. */
        ck_assert_int_eq(read(fds[0], &c, 1), 0);
        close(fds[0]);
}
END_TEST

START_TEST(what_it_leaves_behind_in_its_group_goes_with_it)
{
        int fds[2];
        char c;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        talk((struct process_params){.fds = &fds[1], .n_fds = 1, .whole_group = true},
             "sleep 1000 & exit 3");
        ck_assert_int_eq(f.status, 3);
        close(fds[1]);
        ck_assert_int_eq(read(fds[0], &c, 1), 0);
        close(fds[0]);
}
END_TEST

START_TEST(the_environment_is_ours_and_what_is_added)
{
        char *const more[] = {(char *)"KT_A=new", (char *)"KT_C=", NULL};

        setenv("KT_A", "old", 1);
        setenv("KT_AB", "kept", 1);
        talk((struct process_params){.environment = more}, "echo $KT_A; echo $KT_AB; echo ${KT_C-unset}");
        ck_assert_str_eq(f.lines[0], "new");
        ck_assert_str_eq(f.lines[1], "kept");
        ck_assert_str_eq(f.lines[2], "");
}
END_TEST

START_TEST(a_prefix_runs_it)
{
        char *const prefix[] = {(char *)"/usr/bin/env", (char *)"KT_PREFIX=there", NULL};

        talk((struct process_params){.prefix = prefix, .nice = 3}, "echo $KT_PREFIX; ps -o ni= -p $$");
        ck_assert_str_eq(f.lines[0], "there");
        ck_assert_int_eq(atoi(f.lines[1]), 3);
}
END_TEST

START_TEST(it_may_run_when_nothing_else_does)
{
        talk((struct process_params){.idle = true}, "cut -d' ' -f41 /proc/$$/stat");
        ck_assert_int_eq(atoi(f.lines[0]), 5 /* SCHED_IDLE */);
}
END_TEST

START_TEST(it_becomes_another_user)
{
        const struct process_user nobody = {65534, 65534};

        talk((struct process_params){.user = &nobody}, "id -u; id -g; id -G; echo $USER");
        if (geteuid() != 0) {
                ck_assert_int_eq(f.status, 77);
                ck_assert_ptr_nonnull(strstr(f.text, "cannot become uid 65534"));
                return;
        }
        ck_assert_int_eq(f.status, 0);
        ck_assert_str_eq(f.lines[0], "65534");
        ck_assert_str_eq(f.lines[1], "65534");
        ck_assert_str_eq(f.lines[2], "65534");
        ck_assert_str_eq(f.lines[3], "nobody");
}
END_TEST

START_TEST(another_user_has_none_of_our_places)
{
        const struct process_user nobody = {65534, 65534};

        if (geteuid() != 0)
                return;
        setenv("XDG_CONFIG_HOME", "/root/.config", 1);
        setenv("SSH_AUTH_SOCK", "/tmp/agent", 1);
        setenv("NOTIFY_SOCKET", "@there", 1);
        setenv("KT_A", "A", 1);
        talk((struct process_params){.user = &nobody},
             "echo ${XDG_CONFIG_HOME-no} ${SSH_AUTH_SOCK-no} ${NOTIFY_SOCKET-no} $KT_A ${PATH+yes}");
        ck_assert_str_eq(f.lines[0], "no no no A yes");
}
END_TEST

/* As be_daemon(), of a child that is somebody else. */
static void be_daemon_of_another(int fd)
{
        char parent[16];

        snprintf(parent, sizeof(parent), "%d", getpid());
        if (fork() == 0) {
                dup2(fd, STDOUT_FILENO);
                execl(KT_TEST_EXEC_HELPER, "ktstrd-exec", "--user", "65534", "65534", parent, "0", "0", "3",
                      "/bin/sh", "-c", "echo up; kill -STOP $$", NULL);
                _exit(1);
        }
        for (;;)
                pause();
}

START_TEST(another_user_dies_with_the_daemon_too)
{
        int up[2];
        char buf[16];
        pid_t daemon;

        if (geteuid() != 0)
                return;
        ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
        daemon = fork();
        if (daemon == 0)
                be_daemon_of_another(up[1]);
        close(up[1]);
        ck_assert_int_eq(read(up[0], buf, sizeof(buf)), 3);
        kill(daemon, SIGKILL);
        waitpid(daemon, NULL, 0);
        ck_assert_int_eq(read(up[0], buf, sizeof(buf)), 0);
        close(up[0]);
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
        tcase_add_test(c, lines_of_standard_output_are_told);
        tcase_add_test(c, a_line_that_is_too_long_is_cut);
        tcase_add_test(c, a_line_that_never_ends_is_told_when_it_is_too_long);
        tcase_add_test(c, many_lines_come_whole);
        tcase_add_test(c, it_is_written_to);
        tcase_add_test(c, what_it_did_not_read_is_dropped);
        tcase_add_test(c, its_group_is_killed_with_it);
        tcase_add_test(c, what_it_leaves_behind_in_its_group_goes_with_it);
        tcase_add_test(c, the_environment_is_ours_and_what_is_added);
        tcase_add_test(c, a_prefix_runs_it);
        tcase_add_test(c, it_may_run_when_nothing_else_does);
        tcase_add_test(c, it_becomes_another_user);
        tcase_add_test(c, another_user_has_none_of_our_places);
        tcase_add_test(c, another_user_dies_with_the_daemon_too);
        suite_add_tcase(s, c);
        return suite_run(s);
}
