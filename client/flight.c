/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flight.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../proto/errors.h"
#include "exit_status.h"
#include "interrupts.h"
#include "pace.h"

/* A job while it is followed. */
struct leg {
        struct rpc rpc;
        char id[64]; /* "" until it is known */
        bool open;   /* its events are still to come */
        bool again;  /* the daemon had no room for it: it is to be sent once more */
        bool ended;  /* on_end() was called */
};

struct run {
        struct flight *f;
        struct leg *legs;
        struct pollfd *fds;
        size_t started, more_started, n_open, n_again;
        struct pace pace;
        bool cancelled;  /* all were told to end */
        bool told_pause; /* and a person that some have to wait */
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Those that are not begun are closed. */
static size_t n_legs(const struct run *r)
{
        return r->f->n + r->f->n_more;
}

static void close_leg(struct run *r, struct leg *l)
{
        r->n_open -= l->open;
        l->open = false;
        rpc_done(&l->rpc);
}

static void end_leg(struct run *r, struct leg *l, const struct flight_end *end)
{
        close_leg(r, l);
        l->ended = true;
        r->f->on_end(r->f->userdata, (size_t)(l - r->legs), end);
}

static void end_failed(struct run *r, struct leg *l, const struct kt_error *err)
{
        const struct flight_end end = {.word = "error",
                                       .begun = true,
                                       .error = err,
                                       .status =
                                               exit_status_of_error(err->name ? err->name : KT_E_INTERNAL)};

        end_leg(r, l, &end);
}

static void end_cancelled(struct run *r, struct leg *l)
{
        const struct flight_end end = {
                .word = "cancelled", .begun = l->open, .status = EXIT_STATUS_CANCELLED};

        end_leg(r, l, &end);
}

static const char *known_word(const char *word)
{
        static const char *const words[] = {"pass", "fail", "inconclusive", "skip", "cancelled"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                if (strcmp(word, words[i]) == 0)
                        return words[i];
        return "error";
}

static void take_event(struct run *r, struct leg *l, struct json_object *event)
{
        struct json_object *verdict = kt_json_get(event, "verdict");

        if (!kt_json_str(event, "kind"))
                return;
        r->f->on_event(r->f->userdata, (size_t)(l - r->legs), event);
        if (verdict) {
                const char *word = kt_json_str(verdict, "verdict");
                const struct flight_end end = {
                        .word = known_word(word),
                        .begun = true,
                        .verdict = verdict,
                        .status = exit_status_of_end(word, kt_json_str(verdict, "error"))};

                end_leg(r, l, &end);
        }
}

/* --- sending them --- */

/* Those that were refused come first, then what came of others; there is one. */
static struct leg *next_leg(struct run *r)
{
        struct leg *l = r->legs;

        if (r->n_again == 0 && r->more_started < r->f->n_more)
                return &r->legs[r->f->n + r->more_started++];
        if (r->n_again == 0)
                return &r->legs[r->started++];
        while (!l->again)
                l++;
        l->again = false;
        r->n_again--;
        return l;
}

static bool some_wait(const struct run *r)
{
        const struct flight *f = r->f;

        return !f->stop && (r->started < f->n || r->more_started < f->n_more || r->n_again > 0);
}

/* As many as may be at once. */
static void start_more(struct run *r)
{
        while (some_wait(r) && pace_allows(&r->pace, r->n_open, now_ms())) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct leg *l = next_leg(r);

                l->open = true;
                r->n_open++;
                if (r->f->send(r->f->userdata, (size_t)(l - r->legs), &l->rpc, &err) < 0)
                        end_failed(r, l, &err);
        }
}

static size_t count_taken(const struct run *r)
{
        size_t n = 0;

        for (size_t i = 0; i < n_legs(r); i++)
                n += r->legs[i].open && r->legs[i].id[0];
        return n;
}

/* Was it refused for want of room, and is it sent again when there may be some? */
static bool put_back(struct run *r, struct leg *l, struct kt_error *err)
{
        if (l->id[0] || !err->name || strcmp(err->name, KT_E_BUSY) != 0)
                return false;
        if (!pace_refused(&r->pace, count_taken(r), now_ms())) {
                kt_error_set(err, err->num, KT_E_BUSY, "%s (tried for %d s)", kt_error_text(err),
                             PACE_PATIENCE_MS / 1000);
                return false;
        }
        if (!r->told_pause)
                fprintf(stderr, "note: the daemon takes no more for now, the others follow: %s\n",
                        kt_error_text(err));
        r->told_pause = true;
        close_leg(r, l);
        l->again = true;
        r->n_again++;
        return true;
}

/* --- what comes of them --- */

static void take_reply(struct run *r, struct leg *l, struct json_object *reply)
{
        const char *id = kt_json_str(reply, "job");

        if (id && !l->id[0]) {
                snprintf(l->id, sizeof(l->id), "%s", id);
                pace_taken(&r->pace, r->n_open);
        }
        if (kt_json_get(reply, "event"))
                take_event(r, l, kt_json_get(reply, "event"));
}

/* All that is there of one, without waiting. */
static void receive(struct run *r, struct leg *l)
{
        while (l->open) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                _cleanup_json_ struct json_object *reply = NULL;
                bool continues;
                int e = rpc_receive_ready(&l->rpc, &reply, &continues, &err);

                if (e == 0)
                        return;
                if (e > 0)
                        take_reply(r, l, reply);
                if (e > 0 && l->open && !continues)
                        e = kt_error_set(&err, -EPROTO, KT_E_INTERNAL, "it ended without a verdict");
                if (e < 0 && !put_back(r, l, &err))
                        end_failed(r, l, &err);
        }
}

/* Until one has something to say, one more may be sent, or an interrupt comes. False: there is none to wait
 * for. */
static bool wait_for_one(struct run *r, const sigset_t *mask)
{
        const int ms = some_wait(r) ? pace_wait_ms(&r->pace, now_ms()) : -1;
        const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
        nfds_t n = 0;

        for (size_t i = 0; i < n_legs(r); i++)
                if (r->legs[i].open)
                        r->fds[n++] = (struct pollfd){.fd = r->legs[i].rpc.fd, .events = POLLIN};
        if (n > 0 || ms >= 0)
                (void)ppoll(r->fds, n, ms >= 0 ? &pause : NULL, mask);
        return n > 0 || ms >= 0;
}

/* Those that the daemon has not named yet end with their connection. */
static void cancel_all(struct run *r)
{
        r->cancelled = r->f->stop = true;
        for (size_t i = 0; i < n_legs(r); i++) {
                struct leg *l = &r->legs[i];

                if (l->open && l->id[0])
                        cancel_job(r->f->globals, l->id);
                else if (l->open)
                        end_cancelled(r, l);
        }
}

/* Returns whether it was interrupted. */
static bool follow(struct run *r)
{
        sigset_t mask;
        int handled = 0;

        interrupts_catch(&mask);
        for (;;) {
                start_more(r);
                if (r->f->stop && !r->cancelled)
                        cancel_all(r);
                if (!wait_for_one(r, &mask))
                        return handled > 0;
                if (interrupts_so_far() > handled) {
                        bool again = handled > 0;

                        handled = interrupts_so_far();
                        if (again || handled > 1)
                                return true;
                        fputs("cancelling all…\n", stderr);
                        cancel_all(r);
                }
                for (size_t i = 0; i < n_legs(r); i++)
                        receive(r, &r->legs[i]);
        }
}

/* Each has a connection, and half of what may be open is for the files of one that is sent. */
static size_t as_many_as_may_be_open(size_t wanted)
{
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return wanted;
        if (l.rlim_cur / 2 < wanted && l.rlim_cur < l.rlim_max) {
                l.rlim_cur = l.rlim_max / 2 < wanted ? l.rlim_max : 2 * wanted;
                if (setrlimit(RLIMIT_NOFILE, &l) < 0)
                        (void)getrlimit(RLIMIT_NOFILE, &l);
        }
        if (l.rlim_cur / 2 >= wanted)
                return wanted;
        return l.rlim_cur >= 2 ? l.rlim_cur / 2 : 1;
}

int flight_run(struct flight *f)
{
        struct run r = {.f = f,
                        .legs = calloc(2 * f->n, sizeof(struct leg)),
                        .fds = calloc(2 * f->n, sizeof(struct pollfd))};
        int interrupted = -ENOMEM;

        if (f->n == 0 || (r.legs && r.fds)) {
                for (size_t i = 0; i < 2 * f->n; i++)
                        r.legs[i].rpc.fd = -1;
                pace_init(&r.pace, as_many_as_may_be_open(f->max));
                interrupted = follow(&r);
                for (size_t i = 0; i < n_legs(&r); i++)
                        if (!r.legs[i].ended)
                                end_cancelled(&r, &r.legs[i]);
        }
        free(r.legs);
        free(r.fds);
        return interrupted;
}
