/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fan_out.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "connect.h"
#include "exit_status.h"
#include "flight.h"
#include "labelled.h"
#include "live.h"
#include "render.h"

/* What is shown of a job in the end. */
struct row {
        const struct fan_out_job *job;
        struct labelled lines;
        const char *word; /* how it ended: a verdict's; static */
        char *reason;     /* owned */
        int status;
};

struct run {
        const struct fan_out *f;
        struct fan_out_job *jobs;
        struct row *rows;
        size_t n;
        int label_width;
};

static void print_json(struct json_object *o)
{
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        fflush(stdout);
}

static void row_failed(struct run *r, struct row *row, const struct kt_error *err)
{
        fprintf(stderr, "ktstrctl: %s: %s: %s\n", r->f->verb->name, row->job->label, kt_error_text(err));
        row->status = exit_status_of_error(err->name ? err->name : KT_E_INTERNAL);
        row->word = "error";
        row->reason = strdup(kt_error_text(err));
}

/* --- what is shown --- */

static void on_event(void *userdata, size_t i, struct json_object *event)
{
        struct run *r = userdata;
        struct row *row = &r->rows[i];

        if (r->f->globals->json) {
                kt_json_add_str(event, "label", row->job->label);
                print_json(event);
        } else if (!kt_json_get(event, "verdict"))
                labelled_show(&row->lines, event);
}

static void on_end(void *userdata, size_t i, const struct flight_end *end)
{
        struct run *r = userdata;
        struct row *row = &r->rows[i];
        _cleanup_free_ char *what = NULL;

        if (end->error)
                row_failed(r, row, end->error);
        if (!end->verdict)
                return;
        row->word = end->word;
        row->reason = strdup(kt_json_str(end->verdict, "reason"));
        row->status = end->status;
        if (r->f->globals->json)
                return;
        what = kt_format("%s on %s", r->f->what, row->job->label);
        render_verdict(stdout, end->verdict, what, live_colours(stdout));
}

static void show_table(const struct run *r)
{
        putchar('\n');
        for (size_t i = 0; i < r->n; i++) {
                const struct row *row = &r->rows[i];
                const char *reason = row->reason ? row->reason : "";
                char word[16] = "";

                for (size_t c = 0; c + 1 < sizeof(word) && row->word[c]; c++)
                        word[c] = (char)toupper((unsigned char)row->word[c]);
                printf("%-*s  %-12s  %.*s\n", r->label_width, row->job->label, word,
                       (int)strcspn(reason, "\n"), reason);
        }
}

/* --- what runs --- */

/* Its parameters are kept: it may be refused, and sent again. */
static int send_call(void *userdata, size_t i, struct rpc *ret, struct kt_error *reterr)
{
        const struct run *r = userdata;
        int e = client_connect(r->f->globals, ret, reterr);

        return e < 0 ? e
                     : rpc_send(ret, r->f->method, json_object_get(r->jobs[i].params), true, r->f->fds,
                                r->f->n_fds, reterr);
}

static int run_begin(struct run *r, const struct fan_out *f, struct fan_out_job *jobs, size_t n)
{
        *r = (struct run){.f = f, .jobs = jobs, .n = n, .rows = calloc(n, sizeof(struct row))};
        if (!r->rows) {
                fprintf(stderr, "ktstrctl: %s: out of memory\n", f->verb->name);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                const int width = (int)strlen(jobs[i].label);

                r->label_width = width > r->label_width ? width : r->label_width;
        }
        for (size_t i = 0; i < n; i++)
                r->rows[i] = (struct row){
                        .job = &jobs[i],
                        .lines = {.label = jobs[i].label, .width = r->label_width, .verbose = f->verbose},
                        .word = "cancelled",
                        .status = EXIT_STATUS_CANCELLED};
        return 0;
}

static int run_end(struct run *r)
{
        int status = EXIT_STATUS_PASS;

        for (size_t i = 0; i < r->n; i++) {
                status = exit_status_worse(status, r->rows[i].status);
                free(r->rows[i].reason);
                json_object_put(TAKE_PTR(r->jobs[i].params));
        }
        free(r->rows);
        return status;
}

int fan_out_run(const struct fan_out *f, struct fan_out_job *jobs, size_t n)
{
        struct run r;
        struct flight flight = {.globals = f->globals,
                                .n = n,
                                .max = FAN_OUT_MAX,
                                .userdata = &r,
                                .send = send_call,
                                .on_event = on_event,
                                .on_end = on_end};
        int interrupted, status;

        if (run_begin(&r, f, jobs, n) < 0)
                return EXIT_STATUS_HARNESS;
        interrupted = flight_run(&flight);
        if (!f->globals->json)
                show_table(&r);
        status = run_end(&r);
        if (interrupted < 0) {
                fprintf(stderr, "ktstrctl: %s: out of memory\n", f->verb->name);
                return EXIT_STATUS_HARNESS;
        }
        return interrupted ? EXIT_STATUS_CANCELLED : status;
}

/* --- those that are left running --- */

static int detach_one(const struct run *r, struct row *row, struct fan_out_job *job, struct rpc *rpc,
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
                kt_json_add_str(reply, "label", row->job->label);
                print_json(reply);
        } else
                printf("%s %s\n", kt_json_str(reply, "job"), row->job->label);
        row->status = EXIT_STATUS_PASS;
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
                (void)run_end(&r);
                return status;
        }
        for (size_t i = 0; i < n; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                if (detach_one(&r, &r.rows[i], &jobs[i], &rpc, &err) < 0)
                        row_failed(&r, &r.rows[i], &err);
        }
        return run_end(&r);
}
