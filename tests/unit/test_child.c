/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../proto/buildmsg.h"
#include "../../proto/errors.h"
#include "unit.h"

struct heard {
        char text[4096];
        unsigned lines, replaced;
        size_t longest;
};

static void hear(void *userdata, const char *line, bool replaced)
{
        struct heard *h = userdata;
        size_t len = strlen(line), used = strlen(h->text);

        h->lines++;
        h->replaced += replaced;
        h->longest = len > h->longest ? len : h->longest;
        if (used + len + 2 < sizeof(h->text))
                snprintf(h->text + used, sizeof(h->text) - used, "%s|", line);
}

static int run_shell(const char *script, struct heard *h, struct child c)
{
        const char *argv[] = {"sh", "-c", script, NULL};

        *h = (struct heard){0};
        c.argv = argv;
        c.on_line = hear;
        c.userdata = h;
        return child_run(&c, NULL);
}

START_TEST(output_comes_line_by_line_in_its_order)
{
        struct heard h;

        ck_assert_int_eq(run_shell("echo one; echo two >&2; echo; printf three", &h, (struct child){0}), 0);
        ck_assert_str_eq(h.text, "one|two||three|");
        ck_assert_uint_eq(h.replaced, 0);
}
END_TEST

START_TEST(a_carriage_return_ends_a_line_that_is_replaced)
{
        struct heard h;

        ck_assert_int_eq(run_shell("printf '1%%\\r2%%\\rdone\\r\\nend\\n'", &h, (struct child){0}), 0);
        ck_assert_str_eq(h.text, "1%|2%|done|end|");
        ck_assert_uint_eq(h.replaced, 3);
}
END_TEST

START_TEST(a_long_line_is_cut_and_nul_is_no_end)
{
        struct heard h;

        ck_assert_int_eq(run_shell("head -c 100000 /dev/zero; echo", &h, (struct child){0}), 0);
        ck_assert_uint_le(h.longest, BUILD_LINE_MAX / 8);
        ck_assert_uint_eq(h.lines, (100000 + BUILD_LINE_MAX / 8 - 1) / (BUILD_LINE_MAX / 8));
}
END_TEST

START_TEST(the_status_is_that_of_the_program)
{
        struct heard h;

        ck_assert_int_eq(run_shell("exit 7", &h, (struct child){0}), 7);
        ck_assert_int_eq(run_shell("kill -SEGV $$", &h, (struct child){0}), 128 + SIGSEGV);
}
END_TEST

START_TEST(what_cannot_be_run_says_why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *argv[] = {"no-such-program", NULL};
        struct child c = {.argv = argv};

        ck_assert_int_eq(child_run(&c, &err), -ENOENT);
        ck_assert_str_eq(err.message, "cannot run no-such-program: No such file or directory");
        c.dir = "/no/such/folder";
        argv[0] = "true";
        kt_error_done(&err);
        ck_assert_int_eq(child_run(&c, &err), -ENOENT);
        ck_assert_str_eq(err.message, "cannot run true in /no/such/folder: No such file or directory");
        ck_assert_str_eq(err.name, KT_E_IO);
}
END_TEST

START_TEST(the_environment_is_not_that_of_the_caller)
{
        const char *extra[] = {"KEY=value", NULL};
        struct heard h;

        setenv("CC", "wrong", 1);
        setenv("MAKEFLAGS", "-k", 1);
        setenv("https_proxy", "http://proxy", 1);
        setenv("LC_ALL", "de_DE.UTF-8", 1);
        ck_assert_int_eq(run_shell("echo \"$CC,$MAKEFLAGS,$https_proxy,$LC_ALL,$KEY\"", &h,
                                   (struct child){.env = extra}),
                         0);
        ck_assert_str_eq(h.text, ",,http://proxy,C,value|");
}
END_TEST

START_TEST(a_program_is_found_in_path)
{
        ck_assert(child_find("sh"));
        ck_assert(!child_find("no-such-program"));
        setenv("PATH", "/nowhere::/bin", 1);
        ck_assert(child_find("sh"));
        setenv("PATH", "/nowhere", 1);
        ck_assert(!child_find("sh"));
}
END_TEST

/* Whoever holds the write end of a pipe is alive: end of file comes when none of them is. */
static void wait_until_all_are_gone(int fd)
{
        char b;

        ck_assert_int_eq(read(fd, &b, 1), 0);
}

static void note_end(void *userdata, bool killed)
{
        (void)!write(*(int *)userdata, killed ? "k" : "e", 1);
}

/* Starts a process that runs a script through child_run(). The script opens the FIFO `alive` and writes a
 * byte to it; *ret_alive is at its end once nobody has it open any more. *ret_ends gets a byte at_end(). */
static pid_t start_runner(const char *dir, const char *script, unsigned grace_ms, int *ret_alive,
                          int *ret_ends)
{
        _cleanup_free_ char *fifo = kt_path_join(dir, "alive");
        int ends[2];
        char b;
        pid_t pid;

        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        ck_assert_int_eq(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
                struct child c = {
                        .argv = (const char *[]){"sh", "-c", script, NULL},
                        .dir = dir,
                        .grace_ms = grace_ms,
                        .at_end = note_end,
                        .userdata = &ends[1],
                };

                close(ends[0]);
                child_setup();
                _exit(child_run(&c, NULL) == -ECHILD ? 9 : 0);
        }
        close(ends[1]);
        *ret_ends = ends[0];
        /* Until the script has opened it for writing, and says that it is ready. */
        *ret_alive = open(fifo, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(*ret_alive, 0);
        ck_assert_int_eq(read(*ret_alive, &b, 1), 1);
        return pid;
}

/* A polite signal is heard at some time, and one that is not heard is waited for in vain. */
#define LONG_GRACE_MS 60000U
#define SHORT_GRACE_MS 100U

/* A process in a session of its own, an orphan, and one that no polite signal ends. */
#define HIDES "exec 5>alive; (setsid sleep 1000 &); trap '' TERM; printf x >&5; sleep 1000; sleep 1000"

static void expect_nothing_left(int sig, const char *script, unsigned grace_ms, const char *expected_end)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        int alive, ends, status;
        char b[2] = "";
        pid_t pid = start_runner(dir.path, script, grace_ms, &alive, &ends);

        ck_assert_int_eq(kill(pid, sig), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), 128 + sig);
        wait_until_all_are_gone(alive);
        ck_assert_int_eq(read(ends, b, 1), 1);
        ck_assert_str_eq(b, expected_end);
        close(alive);
        close(ends);
}

START_TEST(a_polite_end_leaves_nothing)
{
        expect_nothing_left(SIGTERM, "exec 5>alive; printf x >&5; sleep 1000", LONG_GRACE_MS, "e");
}
END_TEST

START_TEST(what_hides_is_found)
{
        expect_nothing_left(SIGTERM, HIDES, SHORT_GRACE_MS, "k");
}
END_TEST

START_TEST(killed_without_warning_we_leave_nothing_either)
{
        expect_nothing_left(SIGKILL, HIDES, SHORT_GRACE_MS, "k");
}
END_TEST

START_TEST(nor_when_the_watcher_is_killed)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = NULL, *children = NULL;
        int alive, ends, status;
        pid_t pid = start_runner(dir.path, HIDES, SHORT_GRACE_MS, &alive, &ends), watcher;

        path = kt_format("/proc/%d/task/%d/children", pid, pid);
        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 4096, &children, NULL), 0);
        ck_assert_int_eq(sscanf(children, "%d", &watcher), 1);
        ck_assert_int_eq(kill(watcher, SIGKILL), 0);
        wait_until_all_are_gone(alive);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        close(alive);
        close(ends);
}
END_TEST

UNIT_MAIN("child", output_comes_line_by_line_in_its_order, a_carriage_return_ends_a_line_that_is_replaced,
          a_long_line_is_cut_and_nul_is_no_end, the_status_is_that_of_the_program,
          what_cannot_be_run_says_why, the_environment_is_not_that_of_the_caller, a_program_is_found_in_path,
          a_polite_end_leaves_nothing, what_hides_is_found, killed_without_warning_we_leave_nothing_either,
          nor_when_the_watcher_is_killed)
