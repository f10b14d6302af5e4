/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/search_path.h"
#include "../proto/buildmsg.h"
#include "../proto/errors.h"

#define DEFAULT_PATH "PATH=/usr/local/bin:/usr/bin:/bin"
#define ENV_MAX 64
/* A line of JSON has room for it however it is escaped, see answer.c. */
#define LINE_MAX_SIZE (BUILD_LINE_MAX / 8)

/* Of the environment, what says who and where we are. CC, MAKEFLAGS, ARCH, GIT_DIR and their kin would
 * change what is built. */
static const char *const handed_on[] = {
        "PATH",          "HOME",       "USER",       "LOGNAME",       "TMPDIR",       "XDG_CONFIG_HOME",
        "SSH_AUTH_SOCK", "http_proxy", "HTTP_PROXY", "https_proxy",   "HTTPS_PROXY",  "all_proxy",
        "ALL_PROXY",     "no_proxy",   "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR",
};

/* What the watching process reports. */
struct report {
        bool ended; /* else it could not be run */
        int value;  /* wait status, or errno */
};

static volatile pid_t watcher;

static void stop_watcher(void)
{
        pid_t pid = watcher;

        if (pid <= 0)
                return;
        kill(pid, SIGTERM);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        watcher = 0;
}

static void on_signal(int sig)
{
        stop_watcher();
        _exit(128 + sig);
}

void child_setup(void)
{
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

        sigfillset(&sa.sa_mask);
        sigaction(SIGTERM, &sa, NULL);
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGHUP, &sa, NULL);
        atexit(stop_watcher);
        /* Of a watcher that is killed itself, all becomes ours. */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* --- in the program's own process --- */

static _Noreturn void become(const struct child *c, const char **env, int out, int report_fd)
{
        struct sigaction dfl = {.sa_handler = SIG_DFL};
        struct report report = {false, 0};
        sigset_t none;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigaction(SIGPIPE, &dfl, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
            dup2(out, STDERR_FILENO) >= 0 && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
            (!c->dir || chdir(c->dir) == 0))
                execvpe(c->argv[0], (char *const *)c->argv, (char *const *)env);
        report.value = errno;
        (void)kt_write_all(report_fd, &report, sizeof(report));
        _exit(127);
}

/* --- in the watching process --- */

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Orphans become children of ours as soon as their parent is gone, so that to kill the children again and
 * again gets them all. */
static void kill_children(void)
{
        _cleanup_free_ char *text = NULL;

        if (kt_read_file(AT_FDCWD, "/proc/thread-self/children", 1 << 20, &text, NULL) < 0)
                return;
        for (char *p = text, *end; (end = p, strtol(p, &end, 10)) && end != p; p = end)
                kill((pid_t)strtol(p, NULL, 10), SIGKILL);
}

/* Reap orphans; true once the program itself has ended. It is left unreaped, so that its process group
 * keeps its number. */
static bool program_ended(pid_t program)
{
        for (;;) {
                siginfo_t info = {0};

                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
                        return false;
                if (info.si_pid == program)
                        return true;
                waitpid(info.si_pid, NULL, 0);
        }
}

/* Until it ends, or we are told that it shall. */
static void wait_for_program(pid_t program, unsigned grace_ms, const sigset_t *signals, bool stop)
{
        int64_t deadline = -1;

        for (;;) {
                int64_t left = 0;
                struct timespec ts;
                int sig;

                if (program_ended(program))
                        return;
                if (stop && deadline < 0) {
                        kill(-program, SIGTERM);
                        kill(-program, SIGCONT);
                        deadline = now_ms() + grace_ms;
                }
                if (deadline >= 0) {
                        left = deadline - now_ms();
                        if (left <= 0)
                                kill(-program, SIGKILL);
                        left = left > 0 ? left : 100;
                        ts = (struct timespec){left / 1000, left % 1000 * 1000000};
                }
                sig = sigtimedwait(signals, NULL, deadline >= 0 ? &ts : NULL);
                if (sig > 0 && sig != SIGCHLD)
                        stop = true;
        }
}

static _Noreturn void watch(const struct child *c, const char **env, pid_t parent, int out, int report_fd)
{
        struct report report = {true, 0};
        sigset_t signals;
        pid_t program, pid;
        int status;
        bool stop;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGCHLD);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        stop = getppid() != parent;
        program = fork();
        if (program == 0)
                become(c, env, out, report_fd);
        if (program < 0) {
                report = (struct report){false, errno};
                (void)kt_write_all(report_fd, &report, sizeof(report));
                _exit(1);
        }
        setpgid(program, program);
        close(out);
        wait_for_program(program, c->grace_ms ?: CHILD_GRACE_MS, &signals, stop);
        kill(-program, SIGKILL);
        for (;;) {
                kill_children();
                pid = waitpid(-1, &status, 0);
                if (pid == program)
                        report.value = status;
                if (pid < 0 && errno == ECHILD)
                        break;
        }
        /* What it died of tells: it may have ended just before it was to be killed. */
        if (c->at_end)
                c->at_end(c->userdata, WIFSIGNALED(report.value) && WTERMSIG(report.value) == SIGKILL);
        (void)kt_write_all(report_fd, &report, sizeof(report));
        _exit(0);
}

/* --- in ours --- */

/* Pointers into our environment and extra's; NULL-terminated. */
static void make_env(const char *const *extra, const char *ret[static ENV_MAX])
{
        bool has_path = false;
        size_t n = 0;

        for (size_t i = 0; i < KT_ARRAY_SIZE(handed_on); i++) {
                size_t len = strlen(handed_on[i]);

                for (char **e = environ; *e; e++)
                        if (strncmp(*e, handed_on[i], len) == 0 && (*e)[len] == '=') {
                                has_path = has_path || i == 0;
                                ret[n++] = *e;
                                break;
                        }
        }
        if (!has_path)
                ret[n++] = DEFAULT_PATH;
        ret[n++] = "LC_ALL=C";
        for (; extra && *extra && n < ENV_MAX - 1; extra++)
                ret[n++] = *extra;
        ret[n] = NULL;
}

struct lines {
        char text[LINE_MAX_SIZE + 1];
        size_t size;
        bool after_return; /* the \n of a \r\n is no line */
};

static void end_line(struct lines *l, const struct child *c, bool replaced)
{
        l->text[l->size] = '\0';
        l->size = 0;
        if (c->on_line)
                c->on_line(c->userdata, l->text, replaced);
}

static void take(struct lines *l, const struct child *c, const char *buf, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                char b = buf[i];
                bool was_return = l->after_return;

                l->after_return = b == '\r';
                if (b == '\n' && was_return)
                        continue;
                if (b == '\n' || b == '\r') {
                        end_line(l, c, b == '\r');
                        continue;
                }
                if (l->size == LINE_MAX_SIZE)
                        end_line(l, c, false);
                l->text[l->size++] = b ? b : '?';
        }
}

/* The watcher alone can write its report: when nobody can any more, and what was to be watched still has its
 * output open, the watcher was killed. Then its work is ours. */
static void watch_the_watcher(int report_fd)
{
        struct pollfd p = {.fd = report_fd, .events = POLLIN};

        if (poll(&p, 1, 0) <= 0 || (p.revents & POLLIN))
                return;
        watcher = 0;
        do
                kill_children();
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

static int read_lines(const struct child *c, int fd, int report_fd)
{
        _cleanup_free_ struct lines *l = calloc(1, sizeof(*l));
        _cleanup_free_ char *buf = malloc(BUILD_LINE_MAX);
        ssize_t n = -1;

        if (!l || !buf)
                return -ENOMEM;
        while (n != 0) {
                /* Of the second only its end is waited for, which is reported without being asked for. */
                struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = report_fd, .events = 0}};

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents)
                        watch_the_watcher(report_fd);
                n = read(fd, buf, BUILD_LINE_MAX);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        take(l, c, buf, (size_t)n);
        }
        if (l->size > 0)
                end_line(l, c, false);
        return 0;
}

static int cannot_run(const struct child *c, int num, struct kt_error *reterr)
{
        return kt_error_set(reterr, num, num == -ENOMEM || num == -EAGAIN ? KT_E_INTERNAL : KT_E_IO,
                            "cannot run %s%s%s: %s", c->argv[0], c->dir ? " in " : "", c->dir ? c->dir : "",
                            strerror(-num));
}

int child_run(const struct child *c, struct kt_error *reterr)
{
        _cleanup_close_ int out_r = -1, out_w = -1, report_r = -1, report_w = -1;
        const char *env[ENV_MAX];
        struct report report;
        sigset_t all, before;
        pid_t self = getpid();
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return cannot_run(c, -errno, reterr);
        out_r = fds[0];
        out_w = fds[1];
        if (pipe2(fds, O_CLOEXEC) < 0)
                return cannot_run(c, -errno, reterr);
        report_r = fds[0];
        report_w = fds[1];
        make_env(c->env, env);

        /* A signal finds either no watcher at all or one whose pid is known. The watcher and the program
         * begin with all of them blocked. */
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        watcher = fork();
        if (watcher == 0) {
                close(out_r);
                close(report_r);
                watch(c, env, self, out_w, report_w);
        }
        r = watcher < 0 ? -errno : 0;
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                return cannot_run(c, r, reterr);
        kt_closep(&out_w);
        out_w = -1;
        kt_closep(&report_w);
        report_w = -1;

        r = read_lines(c, out_r, report_r);
        if (r < 0) {
                stop_watcher();
                return cannot_run(c, r, reterr);
        }
        /* The first report counts: that it could not be run comes before that its process ended. */
        r = kt_read_all(report_r, &report, sizeof(report));
        sigprocmask(SIG_BLOCK, &all, &before);
        while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
                ;
        watcher = 0;
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (r == -ENODATA)
                return kt_error_set(reterr, -ECHILD, KT_E_INTERNAL, "the process that watches %s was killed",
                                    c->argv[0]);
        if (r < 0)
                return cannot_run(c, r, reterr);
        if (!report.ended)
                return cannot_run(c, -report.value, reterr);
        return WIFSIGNALED(report.value) ? 128 + WTERMSIG(report.value) : WEXITSTATUS(report.value);
}

bool child_find(const char *name)
{
        _cleanup_free_ char *file = kt_search_path(name, X_OK);

        return file;
}
