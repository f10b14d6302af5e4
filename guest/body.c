/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "../proto/guestmsg.h"
#include "spawn.h"

#define READ_SIZE (64U * 1024U)
#define QUOTE_MAX 120

/* From when all who could print are gone; one may be left that cannot be killed. */
#define LAST_WORDS_MS 1000

/* agent->wake_fds */
enum { WAKE_TALK, WAKE_END };

static const char path_env[] = "PATH=" KT_GUEST_BIN_DIR ":/bin:/sbin:/usr/bin:/usr/sbin";

/* When memory runs out the test goes first: the scheduler is what is looked at. Its workers go before it. */
static void be_among_the_first_to_go(void)
{
        _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)kt_write_all(fd, "500", 3);
}

static int become_body(void *data)
{
        const struct body_spec *spec = data;
        char fd_env[sizeof(KT_BODY_FD_ENV) + 16];
        char *const env[] = {(char *)path_env, (char *)"LD_LIBRARY_PATH=" KT_GUEST_LIB_DIR,
                             (char *)"HOME=/root", fd_env, NULL};
        char *const argv[] = {(char *)spec->program, (char *)KT_BODY_OPTION, (char *)spec->test, NULL};

        be_among_the_first_to_go();
        snprintf(fd_env, sizeof(fd_env), KT_BODY_FD_ENV "=%d", SPAWN_KEPT_FD);
        if (chdir("/") < 0)
                return 127;
        if (!spec->program)
                return spec->func(SPAWN_KEPT_FD);
        execve(spec->program, argv, env);
        dprintf(STDERR_FILENO, "ktstr-guest: cannot run %s: %s\n", spec->program, strerror(errno));
        return 127;
}

int body_start(struct body *b, struct agent *a, const struct body_spec *spec, struct kt_error *reterr)
{
        struct spawn spawn = {.out_id = KT_OUTPUT_STDOUT,
                              .err_id = KT_OUTPUT_STDERR,
                              .output_max = BODY_OUTPUT_MAX,
                              .cgroup_fd = spec->cgroup_fd,
                              .child = become_body,
                              .data = (void *)spec};
        int fds[2];

        *b = (struct body){.agent = a, .spec = spec, .fd = -1, .end_fd = -1};
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot make sockets: %s", strerror(errno));
        spawn.keep_fd = fds[1];
        b->pid = spawn_copy(a, &spawn, &b->realtime);
        kt_closep(&fds[1]);
        if (b->pid < 0) {
                kt_closep(&fds[0]);
                return kt_error_set(reterr, (int)b->pid, NULL, "cannot start the test: %s",
                                    strerror((int)-b->pid));
        }
        b->fd = fds[0];
        if (b->realtime)
                rt_budget_init(&b->rt_budget, b->pid);
        b->end_fd = (int)syscall(SYS_pidfd_open, b->pid, 0);
        return 0;
}

void body_wait(struct body *b, int timeout_ms)
{
        struct agent *a = b->agent;

        a->wake_fds[WAKE_TALK] = b->fd;
        a->wake_fds[WAKE_END] = b->end_fd;
        agent_poll(a, timeout_ms);
        a->wake_fds[WAKE_TALK] = a->wake_fds[WAKE_END] = -1;
}

int body_say(struct body *b, struct json_object *line)
{
        _cleanup_json_ struct json_object *o = line;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (b->fd < 0)
                return -EPIPE;
        r = kt_wire_encode(o, '\n', &text, &size);
        /* What we say is short, so that a line that the socket has no room for is one of many unread. */
        if (r >= 0 && send(b->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
                r = errno == EPIPE || errno == ECONNRESET ? -EPIPE : -EAGAIN;
        return r;
}

static void stop_hearing(struct body *b)
{
        kt_closep(&b->fd);
        b->fd = -1;
}

/* True: something came. */
static bool receive(struct body *b)
{
        ssize_t n;

        if (b->fd < 0)
                return false;
        if (b->size - b->len < READ_SIZE) {
                size_t size = b->size > 0 ? 2 * b->size : 2 * READ_SIZE;
                char *grown = realloc(b->buf, size);

                if (!grown)
                        return false;
                b->buf = grown;
                b->size = size;
        }
        n = recv(b->fd, b->buf + b->len, b->size - b->len, MSG_DONTWAIT);
        if (n > 0)
                b->len += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                stop_hearing(b);
        return n > 0;
}

/* What it said, quoted: its beginning, without what a terminal would mind. */
static int refuse(struct body *b, const char *line, size_t len, const char *why, struct kt_error *reterr)
{
        char quote[QUOTE_MAX + 1];
        size_t n = len < QUOTE_MAX ? len : QUOTE_MAX;

        for (size_t i = 0; i < n; i++)
                quote[i] = line[i] >= 0x20 && line[i] < 0x7f ? line[i] : '?';
        quote[n] = '\0';
        stop_hearing(b);
        b->len = b->taken = 0;
        return kt_error_set(reterr, -EBADMSG, NULL,
                            "the test %s broke its conversation with the agent (%s): \"%s%s\"",
                            b->spec->test, why, quote, n < len ? "…" : "");
}

/* The line that begins at `taken`, or NULL. */
static char *find_end(struct body *b)
{
        char *nl = b->len > b->searched ? memchr(b->buf + b->searched, '\n', b->len - b->searched) : NULL;

        b->searched = nl ? (size_t)(nl - b->buf) + 1 : b->len;
        return nl;
}

static void forget_taken(struct body *b)
{
        if (b->taken == 0)
                return;
        memmove(b->buf, b->buf + b->taken, b->len - b->taken);
        b->len -= b->taken;
        b->searched -= b->taken;
        b->taken = 0;
}

int body_hear(struct body *b, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        char *nl, *line;
        int r;

        while (!(nl = find_end(b))) {
                forget_taken(b);
                if (b->len > KT_BODY_LINE_MAX)
                        return refuse(b, b->buf, b->len, "a line is too long", reterr);
                if (!receive(b))
                        return 0;
        }
        line = b->buf + b->taken;
        b->taken = b->searched;
        if (nl - line > (ssize_t)KT_BODY_LINE_MAX)
                return refuse(b, line, (size_t)(nl - line), "a line is too long", reterr);
        r = kt_json_parse(line, (size_t)(nl - line), ret, &err);
        if (r < 0)
                return refuse(b, line, (size_t)(nl - line), kt_error_text(&err), reterr);
        if (!json_object_is_type(*ret, json_type_object)) {
                json_object_put(TAKE_PTR(*ret));
                return refuse(b, line, (size_t)(nl - line), "a line is no JSON object", reterr);
        }
        return 1;
}

bool body_has_ended(struct body *b)
{
        if (!b->ended && waitpid(b->pid, &b->wait_status, WNOHANG) == b->pid) {
                b->ended = true;
                b->rt_budget.pid = 0;
                kt_closep(&b->end_fd);
                b->end_fd = -1;
        }
        return b->ended;
}

void body_explain(const struct body *b, const char *how, struct kt_error *reterr)
{
        const char *who = b->spec->program ? "the test program" : "the scenario's process";

        if (WIFSIGNALED(b->wait_status))
                kt_error_set(reterr, -EIO, NULL, "%s was killed by signal %d (%s) in test %s%s", who,
                             WTERMSIG(b->wait_status), strsignal(WTERMSIG(b->wait_status)), b->spec->test,
                             how);
        else
                kt_error_set(reterr, -EIO, NULL, "%s exited with status %d in test %s%s", who,
                             WEXITSTATUS(b->wait_status), b->spec->test, how);
}

/* Whoever is of its session, its parent gone or not; our children among them are collected. True: none was
 * found that lives. */
static bool kill_session(pid_t session)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        bool none = true;
        struct dirent *e;

        while (proc && (e = readdir(proc))) {
                pid_t pid = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? atoi(e->d_name) : 0;

                if (pid <= 1 || pid == session || getsid(pid) != session)
                        continue;
                kill(pid, SIGKILL);
                if (waitpid(pid, NULL, WNOHANG) != pid)
                        none = false;
        }
        return none;
}

bool body_kill(struct body *b)
{
        if (!body_has_ended(b))
                kill(b->pid, SIGKILL);
        return kill_session(b->pid) && body_has_ended(b);
}

void body_done(struct body *b)
{
        stop_hearing(b);
        kt_closep(&b->end_fd);
        b->end_fd = -1;
        agent_drain(b->agent, AGENT_TESTS, LAST_WORDS_MS);
        agent_close_streams(b->agent, AGENT_TESTS);
        free(b->buf);
        b->buf = NULL;
}
