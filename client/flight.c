/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flight.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/errors.h"
#include "exit_status.h"
#include "interrupts.h"

/* A job while it is followed. */
struct leg {
        struct rpc rpc;
        char id[64]; /* "" until it is known */
        bool open;   /* its events are still to come */
        bool ended;  /* on_end() was called */
};

struct run {
        struct flight *f;
        struct leg *legs;
        struct pollfd *fds;
        size_t started;
        bool cancelled; /* all were told to end */
};

static void end_leg(struct run *r, struct leg *l, const struct flight_end *end)
{
        l->open = false;
        l->ended = true;
        rpc_done(&l->rpc);
        r->f->on_end(r->f->userdata, (size_t)(l - r->legs), end);
}

static void end_failed(struct run *r, struct leg *l, const struct kt_error *err)
{
        const struct flight_end end = {.word = "error",
                                       .error = err,
                                       .status =
                                               exit_status_of_error(err->name ? err->name : KT_E_INTERNAL)};

        end_leg(r, l, &end);
}

static void end_cancelled(struct run *r, struct leg *l)
{
        const struct flight_end end = {.word = "cancelled", .status = EXIT_STATUS_CANCELLED};

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
                        .verdict = verdict,
                        .status = exit_status_of_end(word, kt_json_str(verdict, "error"))};

                end_leg(r, l, &end);
        }
}

/* As many as may be at once. */
static void start_more(struct run *r)
{
        size_t open = 0;

        for (size_t i = 0; i < r->started; i++)
                open += r->legs[i].open;
        while (r->started < r->f->n && open < r->f->max && !r->f->stop) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct leg *l = &r->legs[r->started];

                l->open = true;
                if (r->f->send(r->f->userdata, r->started++, &l->rpc, &err) < 0)
                        end_failed(r, l, &err);
                open += l->open;
        }
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
                if (e > 0 && kt_json_str(reply, "job"))
                        snprintf(l->id, sizeof(l->id), "%s", kt_json_str(reply, "job"));
                if (e > 0 && kt_json_get(reply, "event"))
                        take_event(r, l, kt_json_get(reply, "event"));
                if (e > 0 && l->open && !continues)
                        e = kt_error_set(&err, -EPROTO, KT_E_INTERNAL, "it ended without a verdict");
                if (e < 0)
                        end_failed(r, l, &err);
        }
}

/* Until one has something to say, or an interrupt comes. False: none is left to wait for. */
static bool wait_for_one(struct run *r, const sigset_t *mask)
{
        nfds_t n = 0;

        for (size_t i = 0; i < r->started; i++)
                if (r->legs[i].open)
                        r->fds[n++] = (struct pollfd){.fd = r->legs[i].rpc.fd, .events = POLLIN};
        if (n > 0)
                (void)ppoll(r->fds, n, NULL, mask);
        return n > 0;
}

/* Those that the daemon has not named yet end with their connection. */
static void cancel_all(struct run *r)
{
        r->cancelled = r->f->stop = true;
        for (size_t i = 0; i < r->started; i++) {
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
                for (size_t i = 0; i < r->started; i++)
                        receive(r, &r->legs[i]);
        }
}

int flight_run(struct flight *f)
{
        struct run r = {.f = f,
                        .legs = calloc(f->n, sizeof(struct leg)),
                        .fds = calloc(f->n, sizeof(struct pollfd))};
        int interrupted = -ENOMEM;

        if (f->n == 0 || (r.legs && r.fds)) {
                for (size_t i = 0; i < f->n; i++)
                        r.legs[i].rpc.fd = -1;
                interrupted = follow(&r);
                for (size_t i = 0; i < f->n; i++)
                        if (!r.legs[i].ended)
                                end_cancelled(&r, &r.legs[i]);
        }
        free(r.legs);
        free(r.fds);
        return interrupted;
}
