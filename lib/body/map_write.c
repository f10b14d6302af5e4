/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map_write.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "global.h"
#include "run.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define TICK_MS 10
/* The agent looks a hundred times a second whether the scheduler is there. Where it is not, its word comes,
 * however long the agent has no CPU. */
#define GONE_MS 1000
#define DEAD_MS 30000

/* --- one --- */

static int find(struct ktstr_body *b, const char *map, const char *field, bool to_write, struct global *ret,
                struct kt_error *reterr)
{
        const struct ktstr_ctx *ctx = &b->ctx;

        if (!field || !*field)
                return kt_error_set(reterr, -EINVAL, NULL, "it does not say which global");
        if (!ctx->scheduler)
                return kt_error_set(reterr, -EINVAL, NULL, "the test has no scheduler: it runs under EEVDF");
        if (ctx->sched_pid <= 0)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "%s has no process that has its globals: it is detached, or part of the "
                                    "kernel",
                                    ctx->scheduler);
        return global_find(ctx->sched_pid, ctx->scheduler, map, field, to_write, ret, reterr);
}

static int write_once(struct ktstr_body *b, const struct ktstr_map_write *w, int64_t *ret_before,
                      struct kt_error *reterr)
{
        struct global g;
        int64_t before;
        int e = find(b, w->map, w->field, true, &g, reterr);

        if (e < 0)
                return e;
        e = global_write(&g, w->value, ret_before ?: &before, reterr);
        global_done(&g);
        return e < 0 ? kt_error_prefix(reterr, "global '%s' of %s", w->field, b->ctx.scheduler) : 0;
}

/* All but the write. */
static int try_once(struct ktstr_body *b, const struct ktstr_map_write *w, struct kt_error *reterr)
{
        struct global g;
        int e = find(b, w->map, w->field, true, &g, reterr);

        if (e < 0)
                return e;
        e = bpf_number_check(&g.number, w->value, reterr);
        global_done(&g);
        return e < 0 ? kt_error_prefix(reterr, "global '%s' of %s", w->field, b->ctx.scheduler) : 0;
}

/* Collected or not. */
static bool has_ended(pid_t pid)
{
        _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return fd < 0 ? errno == ESRCH : poll(&p, 1, 0) == 1;
}

/* Of what is not there any more nothing is found: wait for the agent's word, if there is one to come. */
static bool is_gone(struct ktstr_body *b, int e)
{
        const uint64_t from = worker_now_ns(), last = from + GONE_MS * NS_PER_MS,
                       dead = from + DEAD_MS * NS_PER_MS;

        if (e != -ESRCH && e != -ENOENT)
                return conversation_over(&b->talk);
        while (!conversation_over(&b->talk) && worker_now_ns() < (has_ended(b->ctx.sched_pid) ? dead : last))
                conversation_poll(&b->talk, TICK_MS);
        return conversation_over(&b->talk);
}

int map_write(struct ktstr_body *b, const struct ktstr_map_write *w, int64_t *ret_before,
              struct kt_error *reterr)
{
        int e = write_once(b, w, ret_before, reterr);

        return e < 0 && is_gone(b, e) ? RUN_OVER : e;
}

int map_write_check(struct ktstr_body *b, const struct ktstr_map_write *w, struct kt_error *reterr)
{
        int e = try_once(b, w, reterr);

        return e < 0 && is_gone(b, e) ? RUN_OVER : e;
}

/* --- in a test's function --- */

static enum ktstr_outcome say(struct ktstr_ctx *ctx, const char *what, int e, const struct kt_error *err)
{
        if (e >= 0)
                return KTSTR_PASS;
        if (e == RUN_OVER)
                return body_of(ctx)->talk.sched_gone ? KTSTR_FAIL : KTSTR_INCONCLUSIVE;
        return ktstr_error(ctx, "%s: %s", what, kt_error_text(err));
}

enum ktstr_outcome ktstr_map_write(struct ktstr_ctx *ctx, const char *field, int64_t value)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct ktstr_map_write w = {.field = field, .value = value};

        return say(ctx, "map_write", map_write(body_of(ctx), &w, NULL, &err), &err);
}

enum ktstr_outcome ktstr_map_read(struct ktstr_ctx *ctx, const char *field, int64_t *ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct ktstr_body *b = body_of(ctx);
        struct global g;
        int e = find(b, NULL, field, false, &g, &err);

        if (e >= 0) {
                e = global_read(&g, ret, &err);
                global_done(&g);
        }
        return say(ctx, "map_read", e < 0 && is_gone(b, e) ? RUN_OVER : e, &err);
}

/* --- those that are declared --- */

struct map_writes {
        struct ktstr_body *b;
        const struct ktstr_map_write *list; /* of the test */
        size_t n;
        bool *done;                      /* owned */
        struct conversation_watch watch; /* hears the timer; fd -1: there is none */
        uint64_t started_ns;
        struct kt_error failure; /* of one whose time had come */
};

static int write_declared(struct ktstr_body *b, const struct ktstr_map_write *w, struct kt_error *reterr)
{
        char text[256];
        int64_t before;
        int e = write_once(b, w, &before, reterr);

        if (e < 0)
                return e;
        snprintf(text, sizeof(text), "wrote %s of %s: %" PRId64 ", it was %" PRId64, w->field,
                 b->ctx.scheduler, w->value, before);
        body_event(b, "note", "text", text, NULL, NULL);
        return 0;
}

static int write_those_of_the_begin(struct map_writes *m, struct kt_error *reterr)
{
        int e = 0;

        /* The first is not to be written when the second cannot be. */
        for (size_t i = 0; e >= 0 && i < m->n; i++)
                e = try_once(m->b, &m->list[i], reterr);
        for (size_t i = 0; e >= 0 && i < m->n; i++)
                if (!m->list[i].at_ms) {
                        e = write_declared(m->b, &m->list[i], reterr);
                        m->done[i] = true;
                }
        return e;
}

bool map_writes_begin(struct ktstr_body *b)
{
        const struct ktstr_map_write *list = b->ctx.test ? b->ctx.test->bpf_map_write : NULL;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct map_writes *m;
        int e = -ENOMEM;

        if (!list)
                return true;
        m = b->map_writes = calloc(1, sizeof(*m));
        if (m) {
                *m = (struct map_writes){.b = b, .list = list, .watch.fd = -1};
                while (list[m->n].field)
                        m->n++;
                m->done = calloc(m->n, sizeof(*m->done));
        }
        if (m && (m->done || m->n == 0))
                e = write_those_of_the_begin(m, &err);
        /* One whose scheduler is gone goes on, and ends as any other does. */
        if (e >= 0 || is_gone(b, e))
                return true;
        ktstr_error(&b->ctx, "bpf_map_write: %s", kt_error_isset(&err) ? kt_error_text(&err) : strerror(-e));
        return false;
}

/* The next one by its time; NULL: all are done. */
static const struct ktstr_map_write *next_of(const struct map_writes *m)
{
        const struct ktstr_map_write *next = NULL;

        for (size_t i = 0; i < m->n; i++)
                if (!m->done[i] && (!next || m->list[i].at_ms < next->at_ms))
                        next = &m->list[i];
        return next;
}

static void stop_timer(struct map_writes *m)
{
        if (m->watch.fd < 0)
                return;
        kt_list_remove(&m->watch.link);
        close(m->watch.fd);
        m->watch.fd = -1;
}

static void set_timer(struct map_writes *m)
{
        const struct ktstr_map_write *next = kt_error_isset(&m->failure) ? NULL : next_of(m);
        const uint64_t at = next ? m->started_ns + next->at_ms * NS_PER_MS : 0;
        const struct itimerspec when = {
                .it_value = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)}};

        if (!next)
                stop_timer(m);
        else if (timerfd_settime(m->watch.fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
                kt_error_set(&m->failure, -errno, NULL, "cannot wait for its time: %s", strerror(errno));
}

/* All whose time has come: they may have had to wait for another scheduler. */
static void on_time(struct conversation_watch *watch)
{
        struct map_writes *m = kt_container_of(watch, struct map_writes, watch);
        const uint64_t now = worker_now_ns();
        const struct ktstr_map_write *w;
        int e = 0;

        while (e >= 0 && (w = next_of(m)) && m->started_ns + w->at_ms * NS_PER_MS <= now) {
                e = write_declared(m->b, w, &m->failure);
                m->done[w - m->list] = e >= 0;
        }
        set_timer(m);
}

void map_writes_start(struct ktstr_body *b)
{
        struct map_writes *m = b->map_writes;

        if (!m || !next_of(m))
                return;
        m->started_ns = worker_now_ns();
        m->watch = (struct conversation_watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                                               /* While the agent starts another scheduler there is none. */
                                               .rests_in_ask = true,
                                               .hear = on_time};
        if (m->watch.fd < 0) {
                kt_error_set(&m->failure, -errno, NULL, "cannot wait for its time: %s", strerror(errno));
                return;
        }
        kt_list_append(&b->talk.watches, &m->watch.link);
        set_timer(m);
}

void map_writes_end(struct ktstr_body *b)
{
        struct map_writes *m = b->map_writes;
        const struct ktstr_map_write *next = m && m->done ? next_of(m) : NULL;

        if (!m)
                return;
        stop_timer(m);
        if (kt_error_isset(&m->failure) && !is_gone(b, m->failure.num))
                ktstr_error(&b->ctx, "bpf_map_write: at %" PRIu64 " ms: %s", next ? next->at_ms : 0,
                            kt_error_text(&m->failure));
        else if (next && b->said == KTSTR_PASS && !conversation_over(&b->talk))
                ktstr_error(&b->ctx,
                            "bpf_map_write: %s was to be written at %" PRIu64
                            " ms of the workload, and the test was over before",
                            next->field, next->at_ms);
        kt_error_done(&m->failure);
        free(m->done);
        free(m);
        b->map_writes = NULL;
}
