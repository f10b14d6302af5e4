/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ktstrd-exec PARENT-PID OOM-SCORE-ADJ NICE DESCRIPTORS PROGRAM [ARGUMENT…]
 *
 * Becomes PROGRAM, tied to the daemon that started it: killed by the kernel when that dies (uv_spawn() has
 * no hook to ask for this in the child), first to go when memory runs out, in a session of its own so that a
 * Ctrl-C on the daemon's terminal is not for it, without core dumps, which would be as large as a guest's
 * memory, as nice as it is told to be, and with the first DESCRIPTORS descriptors only, whatever else the
 * daemon inherited from who started it.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define EXIT_NO_PARENT 70
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

static int parse_number(const char *text, long min, long max, long *ret)
{
        char *end;

        errno = 0;
        *ret = strtol(text, &end, 10);
        return *text && !*end && errno == 0 && *ret >= min && *ret <= max ? 0 : -EINVAL;
}

/* Raising one's own score is always allowed; failing to is no reason not to run. */
static void set_oom_score_adj(const char *text)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return;
        if (write(fd, text, strlen(text)) < 0)
                fprintf(stderr, "ktstrd-exec: cannot set oom_score_adj to %s: %s\n", text, strerror(errno));
        close(fd);
}

/* Both for the process and for its session, where the kernel weighs sessions against each other first
 * (CONFIG_SCHED_AUTOGROUP). To be nicer is always allowed. */
static void be_nice(long nice, const char *text)
{
        int fd;

        if (nice == 0)
                return;
        if (setpriority(PRIO_PROCESS, 0, (int)nice) < 0)
                fprintf(stderr, "ktstrd-exec: cannot set nice to %ld: %s\n", nice, strerror(errno));
        fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        /* EAGAIN: it is limited to ten a second unless one is root. Not so bad. */
        (void)!write(fd, text, strlen(text));
        close(fd);
}

int main(int argc, char **argv)
{
        const struct rlimit none = {0, 0};
        long parent, oom, nice, descriptors;

        if (argc < 6 || parse_number(argv[1], 1, 1L << 30, &parent) < 0 ||
            parse_number(argv[2], -1000, 1000, &oom) < 0 || parse_number(argv[3], 0, 19, &nice) < 0 ||
            parse_number(argv[4], 3, 1L << 20, &descriptors) < 0) {
                fprintf(stderr, "usage: ktstrd-exec PARENT-PID OOM-SCORE-ADJ NICE DESCRIPTORS PROGRAM "
                                "[ARGUMENT...]\n");
                return EXIT_USAGE;
        }
        /* The parent may have died before the signal was asked for: then we belong to somebody
         * else by now. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != (pid_t)parent) {
                fprintf(stderr, "ktstrd-exec: the daemon with pid %ld is gone, not starting %s\n", parent,
                        argv[5]);
                return EXIT_NO_PARENT;
        }
        set_oom_score_adj(argv[2]);
        setrlimit(RLIMIT_CORE, &none);
        setsid();
        be_nice(nice, argv[3]);
        close_range((unsigned)descriptors, ~0U, 0);
        execv(argv[5], argv + 5);
        fprintf(stderr, "cannot run %s: %s\n", argv[5], strerror(errno));
        return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
