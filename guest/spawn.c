/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/bodymsg.h"

#define CHILD_STACK_SIZE (64U * 1024U)

struct pipes {
        int out[2], err[2];
};

struct birth {
        const struct spawn *spawn;
        struct pipes pipes;
};

static void become_child(const struct pipes *p, int keep_fd)
{
        sigset_t none;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL); /* ours alone is ignored; the table of handlers is not shared */
        dup2(null, STDIN_FILENO);
        dup2(p->out[1], STDOUT_FILENO);
        dup2(p->err[1], STDERR_FILENO);
        /* Above 3 are ours: a number that is taken already cannot be the one to keep. */
        if (keep_fd > SPAWN_KEPT_FD)
                dup2(keep_fd, SPAWN_KEPT_FD);
        else if (keep_fd == SPAWN_KEPT_FD)
                fcntl(keep_fd, F_SETFD, 0);
        close_range(keep_fd > 0 ? SPAWN_KEPT_FD + 1 : SPAWN_KEPT_FD, ~0U, 0);
}

static int run_child(void *data)
{
        const struct birth *b = data;
        struct sched_param param = {};

        setpgid(0, 0);
        sched_setscheduler(0, SCHED_OTHER, &param);
        become_child(&b->pipes, b->spawn->keep_fd);
        _exit(b->spawn->child(b->spawn->data));
}

static int open_pipes(struct pipes *p)
{
        *p = (struct pipes){{-1, -1}, {-1, -1}};
        return pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0 ? -errno : 0;
}

/* Forward what the child prints; without one, drop all ends. */
static void share_pipes(struct agent *a, const struct spawn *s, struct pipes *p, bool born)
{
        kt_closep(&p->out[1]);
        kt_closep(&p->err[1]);
        if (born) {
                agent_add_stream(a, p->out[0], s->out_id, s->output_max, s->line);
                agent_add_stream(a, p->err[0], s->err_id, s->output_max, s->line);
        } else {
                kt_closep(&p->out[0]);
                kt_closep(&p->err[0]);
        }
}

pid_t spawn_wait(struct agent *a, const struct spawn *s)
{
        static char stack[CHILD_STACK_SIZE] __attribute__((aligned(16)));
        struct birth b = {.spawn = s};
        pid_t pid = open_pipes(&b.pipes);

        if (pid == 0) {
                pid = clone(run_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &b);
                if (pid < 0)
                        pid = -errno;
        }
        share_pipes(a, s, &b.pipes, pid > 0);
        return pid;
}

/* fork(2), into a cgroup: to move it there later makes the kernel wait for all CPUs. */
static pid_t fork_into(int cgroup_fd)
{
        struct clone_args args = {
                .exit_signal = SIGCHLD,
                .flags = cgroup_fd > 0 ? CLONE_INTO_CGROUP : 0,
                .cgroup = (uint64_t)(cgroup_fd > 0 ? cgroup_fd : 0),
        };
        pid_t pid = cgroup_fd > 0 ? (pid_t)syscall(SYS_clone3, &args, sizeof(args)) : fork();

        return pid < 0 ? -errno : pid;
}

pid_t spawn_copy(struct agent *a, const struct spawn *s, bool *ret_realtime)
{
        const struct sched_param param = {.sched_priority = KT_BODY_PRIORITY};
        struct pipes p;
        pid_t pid = open_pipes(&p);

        if (pid == 0)
                pid = fork_into(s->cgroup_fd);
        if (pid == 0) {
                setsid();
                become_child(&p, s->keep_fd);
                _exit(s->child(s->data));
        }
        /* From outside: under a scheduler that stalls it would not get to do it itself. */
        bool realtime = pid > 0 && sched_setscheduler(pid, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0;
        if (ret_realtime)
                *ret_realtime = realtime;
        share_pipes(a, s, &p, pid > 0);
        return pid;
}
