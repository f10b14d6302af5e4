/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../common/cleanup.h"
#include "../proto/errors.h"

#define OUTPUT_MAX (32U << 20)
#define CHUNK 65536

void captured_done(struct captured *o)
{
        free(o->out);
        free(o->err);
        *o = (struct captured){};
}

/* A stream of the child's; closed at its end. */
struct stream {
        int fd;
        char **text;
        size_t *size;
};

static void streams_close(struct stream *s)
{
        for (int i = 0; i < 2; i++)
                if (s[i].fd >= 0)
                        close(s[i].fd);
}

/* Never returns. `failed` tells the parent why there is no program; a program's start closes it. */
static void become(const struct capture *c, const int out[2], const int err[2], int failed, pid_t parent)
{
        int in = c->in > 0 ? c->in : open("/dev/null", O_RDONLY | O_CLOEXEC), problem;

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* Messages are looked into. */
        setenv("LC_ALL", "C", 1);
        if (getppid() == parent && in >= 0 && dup2(in, STDIN_FILENO) >= 0 &&
            dup2(out[1], STDOUT_FILENO) >= 0 && dup2(err[1], STDERR_FILENO) >= 0 &&
            (!c->dir || chdir(c->dir) == 0))
                execvp(c->argv[0], (char *const *)c->argv);
        problem = errno;
        (void)!write(failed, &problem, sizeof(problem));
        _exit(127);
}

static void hand_out_lines(const struct capture *c, struct stream *s)
{
        char *at = *s->text, *end;

        while ((end = strchr(at, '\n'))) {
                *end = '\0';
                c->on_line(at, c->data);
                at = end + 1;
        }
        *s->size -= (size_t)(at - *s->text);
        memmove(*s->text, at, *s->size + 1);
}

/* 1 at its end. */
static int read_some(const struct capture *c, struct stream *s, bool lines)
{
        char *grown = realloc(*s->text, *s->size + CHUNK + 1);
        ssize_t n;

        if (!grown)
                return -ENOMEM;
        *s->text = grown;
        n = read(s->fd, grown + *s->size, CHUNK);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        *s->size += (size_t)n;
        grown[*s->size] = '\0';
        if (lines)
                hand_out_lines(c, s);
        return n == 0 ? 1 : *s->size > OUTPUT_MAX ? -EFBIG : 0;
}

static int read_streams(const struct capture *c, struct stream s[2])
{
        while (s[0].fd >= 0 || s[1].fd >= 0) {
                struct pollfd fds[2] = {{s[0].fd, POLLIN, 0}, {s[1].fd, POLLIN, 0}};

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                for (int i = 0; i < 2; i++) {
                        int r = fds[i].revents ? read_some(c, &s[i], i == 0 && c->on_line) : 0;

                        if (r < 0)
                                return r;
                        if (r > 0) {
                                close(s[i].fd);
                                s[i].fd = -1;
                        }
                }
        }
        return 0;
}

static int wait_for(pid_t pid)
{
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int start(const struct capture *c, struct stream s[2], pid_t *ret)
{
        int out[2] = {-1, -1}, err[2] = {-1, -1}, failed[2] = {-1, -1}, problem = 0;
        pid_t parent = getpid(), pid = -1;

        if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 && pipe2(failed, O_CLOEXEC) == 0)
                pid = fork();
        if (pid == 0)
                become(c, out, err, failed[1], parent);
        if (pid < 0)
                problem = errno;
        s[0].fd = out[0];
        s[1].fd = err[0];
        for (int i = 0; i < 2; i++)
                if ((i ? err : out)[1] >= 0)
                        close((i ? err : out)[1]);
        if (failed[1] >= 0)
                close(failed[1]);
        if (pid > 0 && read(failed[0], &problem, sizeof(problem)) == sizeof(problem))
                (void)wait_for(pid);
        if (failed[0] >= 0)
                close(failed[0]);
        *ret = pid;
        return -problem;
}

int capture(const struct capture *c, struct captured *ret, struct kt_error *reterr)
{
        _cleanup_(captured_done) struct captured o = {.out = strdup(""), .err = strdup("")};
        struct stream s[2] = {{-1, &o.out, &o.out_size}, {-1, &o.err, &o.err_size}};
        pid_t pid;
        int r;

        if (!o.out || !o.err)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = start(c, s, &pid);
        if (r >= 0) {
                r = read_streams(c, s);
                if (r < 0)
                        kill(pid, SIGKILL);
                o.status = wait_for(pid);
        }
        streams_close(s);
        if (r < 0)
                return kt_error_set(reterr, r, r == -EFBIG ? KT_E_DOWNLOAD : KT_E_INTERNAL,
                                    "cannot run %s: %s", c->argv[0], strerror(-r));
        *ret = o;
        o = (struct captured){};
        return 0;
}

char *last_line(char *text)
{
        char *line = NULL;

        for (char *next; text && *text; text = next) {
                size_t len = strcspn(text, "\n");

                next = text + len + (text[len] == '\n');
                text[len] = '\0';
                if (text[strspn(text, " \t\r")])
                        line = text;
        }
        return line;
}
