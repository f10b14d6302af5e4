/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that do what none should, each in a way of its own. */
#include <ktstr.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In half a second on a CPU that is shared with other guests nobody's share is fair. */
#define UNTIMED .checks = {.max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE}

KTSTR_SCHEDULER(fixture, .name = "scx_ktstr", UNTIMED, .binary = "scx_ktstr");
KTSTR_SCHEDULER(stalling, .name = "stalling", UNTIMED, .binary = "scx_ktstr",
                .sched_args = KTSTR_LIST("--stall-after", "1"));

KTSTR_TEST(empty, .scheduler = &fixture, .duration_s = 0.001)
{
        return KTSTR_PASS;
}

KTSTR_TEST(empty_eevdf, .duration_s = 0.001)
{
        return KTSTR_PASS;
}

KTSTR_TEST(crashes, .scheduler = &fixture)
{
        fprintf(stderr, "about to fall\n");
        raise(SIGSEGV);
        return KTSTR_PASS;
}

/* In the middle of a scenario, with workers that run. */
static enum ktstr_outcome fall(struct ktstr_ctx *ctx)
{
        abort();
}

KTSTR_TEST(crashes_late, .scheduler = &fixture)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FIXED_MS(200), {.name = "a", .workers = 3}),
                         KTSTR_STEP_OPS(KTSTR_HOLD_FULL, KTSTR_OPS(ktstr_op_call(fall)), {.name = "b"}));
}

KTSTR_TEST(exits, .scheduler = &fixture)
{
        exit(3);
}

KTSTR_TEST(loops, .scheduler = &fixture)
{
        for (volatile unsigned n = 0;; n++)
                ;
        return KTSTR_PASS;
}

KTSTR_TEST(sleeps, .scheduler = &fixture)
{
        for (;;)
                pause();
        return KTSTR_PASS;
}

/* A gigabyte; and then it goes on. */
KTSTR_TEST(prints, .scheduler = &fixture)
{
        static char text[65536];

        memset(text, 'x', sizeof(text));
        for (unsigned i = 63; i < sizeof(text); i += 64)
                text[i] = '\n';
        for (unsigned i = 0; i < (1U << 30) / sizeof(text); i++)
                if (write(STDOUT_FILENO, text, sizeof(text)) < 0)
                        return ktstr_error(ctx, "cannot print: %m");
        puts("the last words");
        fflush(stdout);
        return KTSTR_PASS;
}

KTSTR_TEST(prints_bytes, .scheduler = &fixture)
{
        for (unsigned i = 0; i < 300000; i++)
                if (write(STDERR_FILENO, "y\n", 2) < 0)
                        return ktstr_error(ctx, "cannot print: %m");
        return KTSTR_PASS;
}

KTSTR_TEST(forks, .scheduler = &fixture)
{
        for (;;)
                if (fork() < 0)
                        sched_yield();
        return KTSTR_PASS;
}

KTSTR_TEST(fills, .scheduler = &fixture)
{
        const size_t size = 1 << 20;

        for (;;) {
                char *p = malloc(size);

                if (!p)
                        return ktstr_error(ctx, "malloc: %m");
                memset(p, 'x', size);
        }
}

/* What no guest can have. */
KTSTR_SCHEDULER(no_knob, .name = "no_knob", .kernel_builtin_enable = KTSTR_LIST("echo 1 >/proc/sys/no_knob"),
                .kernel_builtin_disable = KTSTR_LIST("true"));
KTSTR_SCHEDULER(no_way_back, .name = "no_way_back", .kernel_builtin_enable = KTSTR_LIST("true"),
                .kernel_builtin_disable = KTSTR_LIST("exit 3"));
KTSTR_SCHEDULER(no_sysctl, .name = "no_sysctl", .binary = "scx_ktstr",
                .sysctls = KTSTR_SYSCTLS({"kernel.no_such", "1"}));
KTSTR_SCHEDULER(no_parent, .name = "no_parent", .binary = "scx_ktstr",
                .cgroup_parent = "/cgroup.procs/below");

#define DECLARES(sched)                                                                                     \
        KTSTR_TEST(declares_##sched, .scheduler = &sched)                                                   \
        {                                                                                                   \
                return KTSTR_PASS;                                                                          \
        }

DECLARES(no_knob)
DECLARES(no_way_back)
DECLARES(no_sysctl)
DECLARES(no_parent)

/* More than there may be at a time, one after the other, each without a parent when it ends. */
KTSTR_TEST(orphans, .scheduler = &fixture)
{
        char own[128] = "", path[256];
        FILE *f = fopen("/proc/self/cgroup", "r");
        int max = 0;

        if (!f || fscanf(f, "0::%127s", own) != 1)
                return ktstr_error(ctx, "its cgroup cannot be read");
        fclose(f);
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", own);
        f = fopen(path, "r");
        if (!f || fscanf(f, "%d", &max) != 1)
                return ktstr_error(ctx, "the bound of its processes cannot be read");
        fclose(f);
        for (int i = 0; i < max + 100; i++) {
                pid_t pid = fork();

                if (pid == 0) {
                        fork();
                        _exit(0);
                }
                if (waitpid(pid, NULL, 0) != pid)
                        return ktstr_error(ctx, "process %d: %m", i);
        }
        return KTSTR_PASS;
}

/* Processes that nobody waits for, in cgroups that nobody removes, one of them out of reach of its session.
 */
KTSTR_TEST(leaves, .scheduler = &fixture)
{
        static const char *const dirs[] = {"/sys/fs/cgroup/mine", "/sys/fs/cgroup/mine/below"};

        for (int i = 0; i < 2; i++) {
                if (mkdir(dirs[i], 0755) < 0)
                        return ktstr_error(ctx, "cannot make %s: %m", dirs[i]);
                if (fork() == 0) {
                        char path[64];

                        snprintf(path, sizeof(path), "%s/cgroup.procs", dirs[i]);
                        int fd = open(path, O_WRONLY);
                        if (write(fd, "0", 1) != 1)
                                perror(path);
                        if (i == 1)
                                setsid();
                        for (;;)
                                ;
                }
        }
        for (int i = 0; i < 3; i++)
                if (fork() == 0)
                        for (;;)
                                pause();
        usleep(300000);
        return KTSTR_PASS;
}

KTSTR_TEST(talks_nonsense, .scheduler = &fixture)
{
        const char *fd = getenv("KTSTR_BODY_FD");

        dprintf(fd ? atoi(fd) : 3, "Hello, agent\n");
        pause();
        return KTSTR_PASS;
}

KTSTR_TEST(ends_itself, .scheduler = &fixture)
{
        kill(getpid(), SIGKILL);
        return KTSTR_PASS;
}

KTSTR_TEST(restarts, .scheduler = &fixture, .duration_s = 1)
{
        return ktstr_run(
                ctx, KTSTR_STEP(KTSTR_HOLD_FRAC(0.3), {.name = "a"}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_restart_scheduler()), {.name = "b"}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_detach_scheduler()), {.name = "c"}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_attach_scheduler()), {.name = "d"}));
}

KTSTR_TEST(detaches, .scheduler = &fixture, .duration_s = 1)
{
        return ktstr_run(
                ctx, KTSTR_STEP(KTSTR_HOLD_FRAC(0.3), {.name = "a"}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.3), KTSTR_OPS(ktstr_op_detach_scheduler()), {.name = "c"}));
}

/* A timeout that is declared: that of the default may have the host's excuse. */
#define STALLS .watchdog_timeout_s = 4

KTSTR_TEST(replaces, .scheduler = &fixture, STALLS, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FRAC(0.3), {.name = "a"}),
                         KTSTR_STEP_OPS(KTSTR_HOLD_FULL, KTSTR_OPS(ktstr_op_replace_scheduler(&stalling)),
                                        {.name = "b"}));
}

/* As high as a worker may be, on each CPU, for longer than the test has: nothing of it may keep those from
 * running that end it. */
KTSTR_TEST(outranks, .llcs = 1, .cores = 2, .threads = 1, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FIXED_MS(600000),
                                         {.name = "a", .workers = 2, .policy = ktstr_policy_fifo(97)}));
}

/* Here it is the scheduler that does what it should not. */
KTSTR_TEST(stalls, .scheduler = &stalling, STALLS, .duration_s = 2)
{
        return ktstr_scenario_steady(ctx);
}
