/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ktstrd-exec [--idle] [--user UID GID] PARENT-PID OOM-SCORE-ADJ NICE DESCRIPTORS PROGRAM [ARGUMENT…]
 *
 * Becomes PROGRAM, tied to the daemon that started it: killed by the kernel when that dies (uv_spawn() has
 * no hook to ask for this in the child), first to go when memory runs out, in a session of its own so that a
 * Ctrl-C on the daemon's terminal is not for it, without core dumps, which would be as large as a guest's
 * memory, as nice as it is told to be, and with the first DESCRIPTORS descriptors only, whatever else the
 * daemon inherited from who started it.
 *
 * --idle: runs when nothing else would (SCHED_IDLE). --user: becomes that user, with the groups and the home
 * that the user database has for it; only root may.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define EXIT_NO_PARENT 70
#define EXIT_NO_USER 77
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

/* Raising one's own priority again takes a right that few have; going below all others takes none. */
static void be_idle(void)
{
        const struct sched_param param = {.sched_priority = 0};

        if (sched_setscheduler(0, SCHED_IDLE, &param) < 0)
                fprintf(stderr, "ktstrd-exec: cannot run at idle priority: %s\n", strerror(errno));
}

/* Where the daemon's user has its files, its keys and its session, and how the daemon speaks with who
 * started it: nothing of that is another user's. git dies of a configuration that it may not read. */
static void forget_own_places(void)
{
        static const char *const prefixes[] = {"XDG_",    "SSH_",          "SUDO_",     "DBUS_",
                                               "TMPDIR=", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_",
                                               "MAIL=",   "CREDENTIALS_",  "SHELL="};
        char **kept = environ;

        for (char **v = environ; v && *v; v++) {
                bool goes = false;

                for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
                        goes |= strncmp(*v, prefixes[i], strlen(prefixes[i])) == 0;
                if (!goes)
                        *kept++ = *v;
        }
        if (kept)
                *kept = NULL;
}

/* Programs look into their home, and die of one that they may not enter. */
static int become(uid_t uid, gid_t gid)
{
        const struct passwd *pw = getpwuid(uid);

        if ((pw ? initgroups(pw->pw_name, gid) : setgroups(1, &gid)) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0) {
                fprintf(stderr, "ktstrd-exec: cannot become uid %u: %s\n", (unsigned)uid, strerror(errno));
                return -1;
        }
        forget_own_places();
        setenv("HOME", pw && pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/", 1);
        if (pw) {
                setenv("USER", pw->pw_name, 1);
                setenv("LOGNAME", pw->pw_name, 1);
        }
        return 0;
}

/* The parent may have died before the signal was asked for: then we belong to somebody else by now. A
 * change of user forgets what was asked. */
static int die_with_parent(long parent)
{
        return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != (pid_t)parent ? -1 : 0;
}

struct wants {
        bool idle, user;
        long uid, gid;
};

/* The options in front; argc and argv are moved behind them. */
static int take_options(int *argc, char ***argv, struct wants *ret)
{
        while (*argc > 1 && strncmp((*argv)[1], "--", 2) == 0) {
                int n = 1;

                if (strcmp((*argv)[1], "--idle") == 0)
                        ret->idle = true;
                else if (strcmp((*argv)[1], "--user") == 0 && *argc > 3 &&
                         parse_number((*argv)[2], 0, UINT32_MAX - 1L, &ret->uid) == 0 &&
                         parse_number((*argv)[3], 0, UINT32_MAX - 1L, &ret->gid) == 0) {
                        ret->user = true;
                        n = 3;
                } else
                        return -1;
                *argc -= n;
                *argv += n;
        }
        return 0;
}

int main(int argc, char **argv)
{
        const struct rlimit none = {0, 0};
        struct wants wants = {};
        long parent, oom, nice, descriptors;

        if (take_options(&argc, &argv, &wants) < 0 || argc < 6 ||
            parse_number(argv[1], 1, 1L << 30, &parent) < 0 ||
            parse_number(argv[2], -1000, 1000, &oom) < 0 || parse_number(argv[3], 0, 19, &nice) < 0 ||
            parse_number(argv[4], 3, 1L << 20, &descriptors) < 0) {
                fprintf(stderr, "usage: ktstrd-exec [--idle] [--user UID GID] PARENT-PID OOM-SCORE-ADJ NICE "
                                "DESCRIPTORS PROGRAM [ARGUMENT...]\n");
                return EXIT_USAGE;
        }
        if (die_with_parent(parent) < 0) {
                fprintf(stderr, "ktstrd-exec: the daemon with pid %ld is gone, not starting %s\n", parent,
                        argv[5]);
                return EXIT_NO_PARENT;
        }
        set_oom_score_adj(argv[2]);
        setrlimit(RLIMIT_CORE, &none);
        setsid();
        be_nice(nice, argv[3]);
        if (wants.idle)
                be_idle();
        if (wants.user && become((uid_t)wants.uid, (gid_t)wants.gid) < 0)
                return EXIT_NO_USER;
        if (wants.user && die_with_parent(parent) < 0)
                return EXIT_NO_PARENT;
        close_range((unsigned)descriptors, ~0U, 0);
        execv(argv[5], argv + 5);
        fprintf(stderr, "cannot run %s: %s\n", argv[5], strerror(errno));
        return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
