/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_body.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "confined.h"

/* From being told to end to SIGKILL. */
#define GRACE_MS 2000
/* From its result, or from when it hung up: a moment, on a host that lets it run. */
#define END_MS 10000
#define DEFAULT_WORKERS 2
#define WATCHDOG_MS 0
/* What it prints is passed on up to here. */
#define LOG_MAX (16U << 20)

enum {
        POLL_BODY,
        POLL_OUT,
        POLL_ERR,
        POLL_CANCEL,
        POLL_N,
};

struct talk {
        const struct host_body *h;
        struct confined child;
        int fd; /* our end */
        struct kt_wire_decoder *decoder;
        struct json_object *result;
        int64_t began_ms, deadline_ms;
        const char *stop; /* what it was told; NULL: nothing */
        size_t logged;
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void talk_done(struct talk *t)
{
        confined_kill(&t->child);
        kt_closep(&t->fd);
        kt_wire_decoder_free(t->decoder);
        json_object_put(t->result);
}

/* What it does not read it will not answer: its deadline ends it. */
static void say(struct talk *t, struct json_object *o)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (kt_wire_encode(o, '\n', &text, &size) >= 0)
                (void)!send(t->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        json_object_put(o);
}

static void tell_to_stop(struct talk *t, const char *why)
{
        struct json_object *o = json_object_new_object();

        if (!t->stop) {
                kt_json_add_str(o, "stop", why);
                t->stop = why;
                t->deadline_ms = now_ms() + GRACE_MS;
                say(t, o);
        } else
                json_object_put(o);
}

static void event(struct talk *t, struct json_object *e)
{
        kt_json_add_int(e, "elapsed_ms", now_ms() - t->began_ms);
        t->h->on_event(t->h->userdata, e);
}

/* --- what it says --- */

static void take_event(struct talk *t, struct json_object *line, const char *kind)
{
        struct json_object *e = json_object_new_object();

        if (strcmp(kind, "note") == 0) {
                kt_json_add_str(e, "kind", "note");
                kt_json_add_str(e, "message", kt_json_str(line, "text"));
        } else if (strcmp(kind, "step") == 0) {
                kt_json_add_str(e, "kind", "step");
                kt_json_add_str(e, "state", kt_json_str(line, "state"));
                kt_json_add_str(e, "step", kt_json_str(line, "step"));
        } else {
                json_object_put(e);
                return;
        }
        event(t, e);
}

static void refuse(struct talk *t)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "answer", "failed");
        kt_json_add_str(o, "error", "a test that runs on the host has no scheduler");
        kt_json_add_str(o, "blame", "agent");
        say(t, o);
}

static int wrong(const struct talk *t, const char *what, struct kt_error *reterr)
{
        return kt_error_set(reterr, -EPROTO, KT_E_TEST_PROGRAM, "%s: %s said %s in the place of a result",
                            t->h->test, t->h->program, what);
}

static bool is_string(struct json_object *line, const char *key)
{
        return json_object_is_type(kt_json_get(line, key), json_type_string);
}

/* It may be anything, by anybody. */
static int take_line(struct talk *t, struct json_object *line, struct kt_error *reterr)
{
        struct json_object *result = kt_json_get(line, "result");

        if (t->result)
                return 0; /* whatever comes behind it */
        if (result && json_object_is_type(result, json_type_object)) {
                t->result = json_object_get(result);
                t->deadline_ms = now_ms() + END_MS;
                return 0;
        }
        if (is_string(line, "event")) {
                if ((kt_json_get(line, "text") && !is_string(line, "text")) ||
                    (kt_json_get(line, "step") && !is_string(line, "step")) ||
                    (kt_json_get(line, "state") && !is_string(line, "state")))
                        return wrong(t, "an event that is none", reterr);
                take_event(t, line, kt_json_str(line, "event"));
                return 0;
        }
        if (is_string(line, "ask")) {
                refuse(t);
                return 0;
        }
        return wrong(t, "what no body says", reterr);
}

/* 1: there may be more, 0: it hung up. */
static int read_body(struct talk *t, struct kt_error *reterr)
{
        struct kt_wire_message m;
        char buf[16384];
        ssize_t n = recv(t->fd, buf, sizeof(buf), MSG_DONTWAIT);
        int r;

        if (n <= 0)
                return n < 0 && (errno == EINTR || errno == EAGAIN);
        r = kt_wire_decoder_feed(t->decoder, buf, (size_t)n);
        while (r >= 0 && (r = kt_wire_decoder_next(t->decoder, &m, NULL)) > 0) {
                r = take_line(t, m.json, reterr);
                json_object_put(m.json);
                if (r < 0)
                        return r;
        }
        return r < 0 ? wrong(t, "what is no JSON, or too much of it,", reterr) : 1;
}

static bool read_log(struct talk *t, int fd, const char *stream)
{
        struct json_object *e;
        char buf[8192];
        ssize_t n = read(fd, buf, sizeof(buf) - 1);

        if (n <= 0)
                return n < 0 && errno == EINTR;
        t->logged += (size_t)n;
        if (t->logged > LOG_MAX)
                return true;
        buf[n] = '\0';
        e = json_object_new_object();
        kt_json_add_str(e, "kind", "log");
        kt_json_add_str(e, "stream", stream);
        kt_json_add_str(e, "text", buf);
        event(t, e);
        return true;
}

/* --- the whole --- */

static struct json_object *first_line(const struct host_body *h)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "format", KT_BODY_FORMAT);
        kt_json_add_str(o, "test", h->test);
        kt_json_add_int(o, "duration_ms", h->duration_ms);
        kt_json_add_int(o, "workers", h->workers > 0 ? h->workers : DEFAULT_WORKERS);
        kt_json_add_int(o, "watchdog_ms", WATCHDOG_MS);
        kt_json_add_int(o, "seed", h->seed);
        kt_json_add_bool(o, "emulated", false);
        return o;
}

static int start(struct talk *t, struct kt_error *reterr)
{
        const struct host_body *h = t->h;
        const char *const argv[] = {h->program, KT_BODY_OPTION, h->test, NULL};
        _cleanup_free_ char *env = NULL;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return kt_error_set(reterr, -errno, KT_E_INTERNAL, "socketpair: %s", strerror(errno));
        t->fd = pair[0];
        t->decoder = kt_wire_decoder_new(KT_BODY_LINE_MAX);
        env = kt_format(KT_BODY_FD_ENV "=%d", pair[1]);
        if (!t->decoder || !env)
                r = kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        else
                r = confined_start(argv, CONFINED_MAY_FORK, (unsigned)(h->timeout_ms / 1000) + 10, env,
                                   pair[1], &t->child, reterr);
        close(pair[1]);
        if (r >= 0)
                say(t, first_line(h));
        return r;
}

/* Until it hung up and closed its output, or its time is up. */
static int converse(struct talk *t, struct kt_error *reterr)
{
        struct pollfd p[POLL_N] = {[POLL_BODY] = {.fd = t->fd, .events = POLLIN},
                                   [POLL_OUT] = {.fd = t->child.out_fd, .events = POLLIN},
                                   [POLL_ERR] = {.fd = t->child.err_fd, .events = POLLIN},
                                   [POLL_CANCEL] = {.fd = t->h->cancel_fd}};

        while (p[POLL_BODY].fd >= 0) {
                const int64_t left = t->deadline_ms - now_ms();
                int r = 1;

                if (left <= 0 && (t->stop || t->result))
                        return 0;
                if (left <= 0)
                        tell_to_stop(t, "time");
                if (poll(p, POLL_N, left > 0 ? (int)(left < 60000 ? left : 60000) : GRACE_MS) < 0)
                        continue;
                if (p[POLL_CANCEL].revents) {
                        tell_to_stop(t, "cancelled");
                        p[POLL_CANCEL].fd = -1;
                }
                if (p[POLL_OUT].revents && !read_log(t, p[POLL_OUT].fd, "stdout"))
                        p[POLL_OUT].fd = -1;
                if (p[POLL_ERR].revents && !read_log(t, p[POLL_ERR].fd, "stderr"))
                        p[POLL_ERR].fd = -1;
                if (p[POLL_BODY].revents)
                        r = read_body(t, reterr);
                if (r < 0)
                        return r;
                if (r == 0)
                        p[POLL_BODY].fd = -1;
        }
        return 0;
}

/* The last of its output, which may have come with its end. */
static void drain(struct talk *t)
{
        struct pollfd p[2] = {{.fd = t->child.out_fd, .events = POLLIN},
                              {.fd = t->child.err_fd, .events = POLLIN}};

        while (t->logged <= LOG_MAX && poll(p, 2, 0) > 0) {
                if (p[0].revents && !read_log(t, p[0].fd, "stdout"))
                        p[0].fd = -1;
                if (p[1].revents && !read_log(t, p[1].fd, "stderr"))
                        p[1].fd = -1;
        }
}

static int judge_end(struct talk *t, struct kt_error *reterr)
{
        const struct host_body *h = t->h;
        int64_t left = t->deadline_ms - now_ms();
        char ending[80];
        bool late;
        int status;

        drain(t);
        status = confined_reap(&t->child, left > 0 ? (int)(left < END_MS ? left : END_MS) : 0, &late);
        if (t->stop && strcmp(t->stop, "cancelled") == 0)
                return -ECANCELED;
        if (t->stop)
                return kt_error_set(reterr, -ETIMEDOUT, KT_E_TEST_PROGRAM,
                                    "%s: it did not end within %lld ms, and was ended", h->test,
                                    (long long)h->timeout_ms);
        if (late)
                return kt_error_set(reterr, -ETIMEDOUT, KT_E_TEST_PROGRAM, "%s: %s did not end %s", h->test,
                                    h->program, t->result ? "after its result" : "when it had hung up");
        if (status != 0 || !t->result)
                return kt_error_set(reterr, -EPROTO, KT_E_TEST_PROGRAM, "%s: %s %s %s a result", h->test,
                                    h->program, confined_ending(status, ending, sizeof(ending)),
                                    t->result ? "after" : "without");
        return 0;
}

int host_body_run(const struct host_body *h, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_(talk_done) struct talk t = {.h = h, .child = {.out_fd = -1, .err_fd = -1}, .fd = -1};
        int r;

        t.began_ms = now_ms();
        t.deadline_ms = t.began_ms + h->timeout_ms;
        r = start(&t, reterr);
        if (r >= 0)
                r = converse(&t, reterr);
        if (r >= 0)
                r = judge_end(&t, reterr);
        if (r >= 0)
                *ret = TAKE_PTR(t.result);
        return r;
}
