/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "confined.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proto/errors.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "which system calls are fork's here has to be said"
#endif

#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define IF_CALL(nr, then) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), then

/* Async-signal-safe, as all below that runs in the child. */
static int forbid_forking(void)
{
        static struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
                REFUSE(ENOSYS),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
                /* x32, whose calls have numbers of their own */
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
                REFUSE(ENOSYS),
                IF_CALL(__NR_fork, REFUSE(EPERM)),
                IF_CALL(__NR_vfork, REFUSE(EPERM)),
#endif
                IF_CALL(__NR_clone3, REFUSE(ENOSYS)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
                REFUSE(EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = {.len = KT_ARRAY_SIZE(code), .filter = code};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return -errno;
        return 0;
}

static void child(const char *const argv[], unsigned flags, unsigned cpu_s, const char *env, int keep_fd,
                  const int fds[3], pid_t parent) __attribute__((noreturn));

/* What went wrong goes through the pipe that exec closes. */
static void give_up(int fd, int error)
{
        (void)!write(fd, &error, sizeof(error));
        _exit(127);
}

static void set_limits(unsigned cpu_s)
{
        const struct rlimit cpu = {cpu_s, cpu_s + 1}, none = {0, 0};

        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_CORE, &none);
}

/* fds: stdout, stderr, and for what goes wrong. */
static void child(const char *const argv[], unsigned flags, unsigned cpu_s, const char *env, int keep_fd,
                  const int fds[3], pid_t parent)
{
        sigset_t none;
        int null, r;

        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(127);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        set_limits(cpu_s);
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(fds[0], STDOUT_FILENO) < 0 ||
            dup2(fds[1], STDERR_FILENO) < 0 || (keep_fd >= 0 && fcntl(keep_fd, F_SETFD, 0) < 0))
                give_up(fds[2], errno);
        if (env)
                putenv((char *)env);
        if (!(flags & CONFINED_MAY_FORK)) {
                /* The leak checker of a sanitized program makes a process of its own at the end. */
                setenv("LSAN_OPTIONS", "detect_leaks=0", 0);
                r = forbid_forking();
                if (r < 0)
                        give_up(fds[2], -r);
        }
        execv(argv[0], (char *const *)argv);
        give_up(fds[2], errno);
        _exit(127);
}

struct pipes {
        int out[2], err[2], failure[2];
};

static void close_pair(int fds[2])
{
        kt_closep(&fds[0]);
        kt_closep(&fds[1]);
        fds[0] = fds[1] = -1;
}

static void pipes_done(struct pipes *p)
{
        close_pair(p->out);
        close_pair(p->err);
        close_pair(p->failure);
}

int confined_start(const char *const argv[], unsigned flags, unsigned cpu_s, const char *env, int keep_fd,
                   struct confined *ret, struct kt_error *reterr)
{
        _cleanup_(pipes_done) struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
        const pid_t parent = getpid();
        int error = 0;
        pid_t pid;

        if (pipe2(p.out, O_CLOEXEC) < 0 || pipe2(p.err, O_CLOEXEC) < 0 || pipe2(p.failure, O_CLOEXEC) < 0 ||
            (pid = fork()) < 0)
                return kt_error_set(reterr, -errno, KT_E_INTERNAL, "%s: cannot be started: %s", argv[0],
                                    strerror(errno));
        if (pid == 0)
                child(argv, flags, cpu_s, env, keep_fd, (int[]){p.out[1], p.err[1], p.failure[1]}, parent);
        /* Whoever of us comes first: it must be so when we kill. */
        setpgid(pid, pid);
        *ret = (struct confined){.pid = pid, .out_fd = -1, .err_fd = -1};
        close(p.failure[1]);
        p.failure[1] = -1;
        while (read(p.failure[0], &error, sizeof(error)) < 0 && errno == EINTR)
                ;
        if (error) {
                confined_kill(ret);
                return kt_error_set(reterr, -error, KT_E_BAD_FILE, "%s: cannot be run: %s", argv[0],
                                    strerror(error));
        }
        ret->out_fd = TAKE_FD(p.out[0]);
        ret->err_fd = TAKE_FD(p.err[0]);
        return 0;
}

static void close_output(struct confined *c)
{
        kt_closep(&c->out_fd);
        kt_closep(&c->err_fd);
        c->out_fd = c->err_fd = -1;
}

int confined_kill(struct confined *c)
{
        int status = 0;

        if (c->pid > 0) {
                /* Before it is reaped: until then its number, and that of its group, is nobody else's. */
                kill(-c->pid, SIGKILL);
                while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
                        ;
                c->pid = 0;
        }
        close_output(c);
        return status;
}

int confined_reap(struct confined *c, int timeout_ms, bool *ret_late)
{
        _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        siginfo_t info = {};

        if (fd >= 0)
                (void)poll(&p, 1, timeout_ms);
        /* Left a zombie, so that the group can still be killed by its number. */
        if (ret_late)
                *ret_late = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
                            info.si_pid == 0;
        return confined_kill(c);
}

char *confined_ending(int status, char *text, size_t size)
{
        if (WIFSIGNALED(status))
                snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
        else
                snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
        return text;
}
