/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fan_out.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "connect.h"
#include "decode.h"
#include "exit_status.h"
#include "interrupts.h"
#include "live.h"
#include "render.h"

/* A job while it is followed. */
struct leg {
        const struct fan_out_job *job;
        struct rpc rpc;
        char id[64];      /* "" until it is known */
        bool open;        /* its events are still to come */
        bool queued;      /* that it waits has been told */
        const char *word; /* how it ended: a verdict's; static */
        char *reason;     /* owned */
        int status;
};

struct run {
        const struct fan_out *f;
        struct leg *legs;
        size_t n;
        int label_width;
};

static void print_json(struct json_object *o)
{
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        fflush(stdout);
}

static void leg_failed(struct run *r, struct leg *l, const struct kt_error *err)
{
        fprintf(stderr, "ktstrctl: %s: %s: %s\n", r->f->verb->name, l->job->label, kt_error_text(err));
        l->status = exit_status_of_error(err->name ? err->name : KT_E_INTERNAL);
        l->word = "error";
        l->reason = strdup(kt_error_text(err));
        l->open = false;
        rpc_done(&l->rpc);
}

/* --- what is shown --- */

static void show_text(const struct run *r, const struct leg *l, const char *from, const char *text,
                      size_t size)
{
        for (size_t at = 0; at < size;) {
                const char *nl = memchr(text + at, '\n', size - at);
                size_t len = nl ? (size_t)(nl - text) - at : size - at;

                printf("%-*s %17s | %.*s\n", r->label_width, l->job->label, from, (int)len, text + at);
                at += len + 1;
        }
}

static void show_log(const struct run *r, const struct leg *l, struct json_object *event)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        if (r->f->verbose && decode_log(event, &bytes, &size) >= 0)
                show_text(r, l, kt_json_str(event, "stream"), bytes, size);
}

static void show_event(const struct run *r, struct leg *l, struct json_object *event)
{
        const char *kind = kt_json_str(event, "kind"), *message;
        char place[LIVE_PLACE_MAX];

        if (strcmp(kind, "log") == 0) {
                show_log(r, l, event);
                return;
        }
        /* That one waits is told once: its place changes with each of the others. */
        if (strcmp(kind, "queued") == 0 && l->queued)
                return;
        message = live_message(event, place, sizeof(place));
        l->queued = l->queued || (message && strcmp(kind, "queued") == 0);
        if (message)
                printf("%-*s %7.2fs  %s\n", r->label_width, l->job->label,
                       (double)kt_json_int(event, "elapsed_ms", 0) / 1000, message);
        fflush(stdout);
}

static const char *known_word(const char *word)
{
        static const char *const words[] = {"pass", "fail", "inconclusive", "skip", "cancelled"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                if (strcmp(word, words[i]) == 0)
                        return words[i];
        return "error";
}

static void take_verdict(struct run *r, struct leg *l, struct json_object *verdict)
{
        const char *word = kt_json_str(verdict, "verdict");
        _cleanup_free_ char *what = NULL;

        l->word = known_word(word);
        l->reason = strdup(kt_json_str(verdict, "reason"));
        l->status = exit_status_of_end(word, kt_json_str(verdict, "error"));
        l->open = false;
        rpc_done(&l->rpc);
        if (r->f->globals->json)
                return;
        what = kt_format("%s on %s", r->f->what, l->job->label);
        render_verdict(stdout, verdict, what, live_colours(stdout));
}

static void take_event(struct run *r, struct leg *l, struct json_object *event)
{
        struct json_object *verdict = kt_json_get(event, "verdict");

        if (!kt_json_str(event, "kind"))
                return;
        if (r->f->globals->json) {
                kt_json_add_str(event, "label", l->job->label);
                print_json(event);
        } else if (!verdict)
                show_event(r, l, event);
        if (verdict)
                take_verdict(r, l, verdict);
}

static void show_table(const struct run *r)
{
        putchar('\n');
        for (size_t i = 0; i < r->n; i++) {
                const struct leg *l = &r->legs[i];
                const char *reason = l->reason ? l->reason : "";
                char word[16] = "";

                for (size_t c = 0; c + 1 < sizeof(word) && l->word[c]; c++)
                        word[c] = (char)toupper((unsigned char)l->word[c]);
                printf("%-*s  %-12s  %.*s\n", r->label_width, l->job->label, word,
                       (int)strcspn(reason, "\n"), reason);
        }
}

/* --- what runs --- */

static int send_call(const struct run *r, struct leg *l, struct fan_out_job *job, struct kt_error *reterr)
{
        int e = client_connect(r->f->globals, &l->rpc, reterr);

        return e < 0 ? e
                     : rpc_send(&l->rpc, r->f->method, TAKE_PTR(job->params), true, r->f->fds, r->f->n_fds,
                                reterr);
}

/* As many as may be at once. Returns how many have been started in all. */
static size_t start_more(struct run *r, struct fan_out_job *jobs, size_t started)
{
        size_t open = 0;

        for (size_t i = 0; i < started; i++)
                open += r->legs[i].open;
        for (; started < r->n && open < FAN_OUT_MAX; started++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct leg *l = &r->legs[started];

                l->open = true;
                if (send_call(r, l, &jobs[started], &err) < 0)
                        leg_failed(r, l, &err);
                open += l->open;
        }
        return started;
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
                        leg_failed(r, l, &err);
        }
}

/* Until one has something to say, or an interrupt comes. False: none is left to wait for. */
static bool wait_for_one(struct run *r, const sigset_t *mask)
{
        struct pollfd *fds = calloc(r->n, sizeof(*fds));
        nfds_t n = 0;

        for (size_t i = 0; fds && i < r->n; i++)
                if (r->legs[i].open)
                        fds[n++] = (struct pollfd){.fd = r->legs[i].rpc.fd, .events = POLLIN};
        if (n > 0)
                (void)ppoll(fds, n, NULL, mask);
        free(fds);
        return n > 0;
}

/* Those that the daemon has not named yet end with their connection. */
static void cancel_all(struct run *r)
{
        fputs("cancelling all…\n", stderr);
        for (size_t i = 0; i < r->n; i++) {
                struct leg *l = &r->legs[i];

                if (l->open && l->id[0])
                        cancel_job(r->f->globals, l->id);
                else if (l->open) {
                        rpc_done(&l->rpc);
                        l->open = false;
                }
        }
}

/* Returns whether it was interrupted. */
static bool follow(struct run *r, struct fan_out_job *jobs)
{
        sigset_t mask;
        int handled = 0;
        size_t started = 0;

        interrupts_catch(&mask);
        for (;;) {
                if (handled == 0)
                        started = start_more(r, jobs, started);
                if (!wait_for_one(r, &mask))
                        return handled > 0;
                if (interrupts_so_far() > handled) {
                        bool again = handled > 0;

                        handled = interrupts_so_far();
                        if (again || handled > 1)
                                return true;
                        cancel_all(r);
                }
                for (size_t i = 0; i < started; i++)
                        receive(r, &r->legs[i]);
        }
}

static int run_begin(struct run *r, const struct fan_out *f, const struct fan_out_job *jobs, size_t n)
{
        *r = (struct run){.f = f, .n = n, .legs = calloc(n, sizeof(struct leg))};
        if (!r->legs) {
                fprintf(stderr, "ktstrctl: %s: out of memory\n", f->verb->name);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                const int width = (int)strlen(jobs[i].label);

                r->legs[i] = (struct leg){
                        .job = &jobs[i], .rpc.fd = -1, .word = "cancelled", .status = EXIT_STATUS_CANCELLED};
                r->label_width = width > r->label_width ? width : r->label_width;
        }
        return 0;
}

static int run_end(struct run *r, struct fan_out_job *jobs)
{
        int status = EXIT_STATUS_PASS;

        for (size_t i = 0; i < r->n; i++) {
                status = exit_status_worse(status, r->legs[i].status);
                rpc_done(&r->legs[i].rpc);
                free(r->legs[i].reason);
                json_object_put(TAKE_PTR(jobs[i].params));
        }
        free(r->legs);
        return status;
}

int fan_out_run(const struct fan_out *f, struct fan_out_job *jobs, size_t n)
{
        struct run r;
        bool interrupted;
        int status;

        if (run_begin(&r, f, jobs, n) < 0)
                return EXIT_STATUS_HARNESS;
        interrupted = follow(&r, jobs);
        if (!f->globals->json)
                show_table(&r);
        status = run_end(&r, jobs);
        return interrupted ? EXIT_STATUS_CANCELLED : status;
}

/* --- those that are left running --- */

static int detach_one(const struct run *r, struct leg *l, struct fan_out_job *job, struct rpc *rpc,
                      struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *reply = NULL;
        bool continues;
        int e;

        kt_json_add_bool(job->params, "detach", true);
        e = rpc_send(rpc, r->f->method, TAKE_PTR(job->params), false, r->f->fds, r->f->n_fds, reterr);
        if (e >= 0)
                e = rpc_receive(rpc, &reply, &continues, reterr);
        if (e < 0)
                return e;
        if (r->f->globals->json) {
                kt_json_add_str(reply, "label", l->job->label);
                print_json(reply);
        } else
                printf("%s %s\n", kt_json_str(reply, "job"), l->job->label);
        l->status = EXIT_STATUS_PASS;
        return 0;
}

int fan_out_detach(const struct fan_out *f, struct fan_out_job *jobs, size_t n)
{
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct run r;
        int status;

        if (run_begin(&r, f, jobs, n) < 0)
                return EXIT_STATUS_HARNESS;
        if (!client_connect_or_tell(f->verb, f->globals, &rpc, &status)) {
                (void)run_end(&r, jobs);
                return status;
        }
        for (size_t i = 0; i < n; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                if (detach_one(&r, &r.legs[i], &jobs[i], &rpc, &err) < 0)
                        leg_failed(&r, &r.legs[i], &err);
        }
        return run_end(&r, jobs);
}
