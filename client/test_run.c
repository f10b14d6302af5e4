/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "connect.h"
#include "crash_stack.h"
#include "exit_status.h"
#include "flight.h"
#include "host_test.h"
#include "repro.h"

struct run {
        struct test_session *s;
        const struct test_run_options *o;
        struct test_report *reports;
        size_t n_reports;
        size_t *cells; /* of the session, those that are run; behind these n the ones that are repeated */
        size_t n;
        struct flight flight;
        bool no_daemon; /* it went away, or takes no more */
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(struct run *r, const struct cell_result *result)
{
        for (size_t i = 0; i < r->n_reports; i++)
                if (r->reports[i].ops->result)
                        r->reports[i].ops->result(&r->reports[i], result);
}

static void tell_repeat(struct run *r, const struct cell_result *result)
{
        for (size_t i = 0; i < r->n_reports; i++)
                if (r->reports[i].ops->repeat)
                        r->reports[i].ops->repeat(&r->reports[i], result);
}

/* What a second run is called, in the daemon's lists too. Malloced. */
static char *label_of_repeat(const struct test_cell *c)
{
        return kt_format("%s auto-repro", c->name);
}

static int send_on_host(const struct run *r, const struct test_cell *c, struct rpc *ret,
                        struct kt_error *reterr)
{
        const struct test_overrides *o = &r->o->overrides;
        const int64_t duration = o->duration_ms > 0 ? o->duration_ms : test_cell_duration_ms(c);
        const struct host_test_limits limits = {
                .duration_ms = duration,
                .timeout_ms = kt_json_int(o->request, "timeout_ms", test_cell_timeout_ms(c, duration)),
                .seed = kt_json_int(o->request, "seed", -1)};
        int fd, e = host_test_start(c, &limits, &fd, reterr);

        return e < 0 ? e : rpc_init(ret, fd, reterr);
}

/* The same job, but for what it is called, and traced, with the calls of the functions in which it died. */
static void make_repeat(const struct cell_result *first, struct json_object *params)
{
        _cleanup_free_ char *label = label_of_repeat(first->cell);
        const char *dump = kt_json_str(kt_json_get(first->verdict, "scheduler"), "dump");

        kt_json_add_str(params, "label", label);
        kt_json_add_bool(params, "trace", true);
        kt_json_add(params, "trace_functions", crash_stack(dump));
        if (cell_result_seed(first) >= 0)
                kt_json_add_int(params, "seed", cell_result_seed(first));
}

/* Its files are open only until they are sent. first: it is that one's second run; NULL: it is none. */
static int send_to_daemon(const struct run *r, const struct test_cell *c, const struct cell_result *first,
                          struct rpc *ret, struct kt_error *reterr)
{
        struct json_object *params = NULL;
        struct bundle bundle;
        int e = bundle_init(&bundle, reterr);

        if (e >= 0)
                e = test_params_make(c, &r->o->overrides, &bundle, &params, reterr);
        if (e >= 0 && first)
                make_repeat(first, params);
        if (e >= 0)
                e = client_connect(r->s->globals, ret, reterr);
        if (e >= 0)
                e = rpc_send(ret, "io.ktstrd.Job.Submit", TAKE_PTR(params), true, bundle.fds, bundle.n,
                             reterr);
        json_object_put(params);
        bundle_done(&bundle);
        return e;
}

static int send_cell(void *userdata, size_t i, struct rpc *ret, struct kt_error *reterr)
{
        struct run *r = userdata;
        const struct test_cell *c = &r->s->plan.cells[r->cells[i]];
        const struct cell_result *first = i >= r->n ? &r->s->results[r->cells[i]] : NULL;

        return test_cell_on_host(c) ? send_on_host(r, c, ret, reterr)
                                    : send_to_daemon(r, c, first, ret, reterr);
}

static void on_event(void *userdata, size_t i, struct json_object *event)
{
        struct run *r = userdata;
        const struct test_cell *c = &r->s->plan.cells[r->cells[i]];
        _cleanup_free_ char *label = i >= r->n ? label_of_repeat(c) : NULL;

        for (size_t k = 0; k < r->n_reports; k++)
                if (r->reports[k].ops->event)
                        r->reports[k].ops->event(&r->reports[k], c, label ? label : c->name, event);
}

/* --- ends --- */

static bool is(const struct kt_error *err, const char *name)
{
        return err && err->name && strcmp(err->name, name) == 0;
}

/* All that ran there are lost at once, or it is full of what is not ours; it is told once. */
static void no_daemon(struct run *r, const struct kt_error *err)
{
        if (!r->no_daemon)
                client_tell(r->s->verb, err);
        r->no_daemon = r->flight.stop = true;
        if (!r->s->stopped)
                r->s->stopped = is(err, KT_E_BUSY) ? "the daemon takes no more" : "the daemon went away";
}

static void stop_if_bad(struct run *r, enum test_outcome outcome)
{
        if (!test_outcome_is_bad(outcome) || !r->o->fail_fast || r->s->stopped)
                return;
        r->s->stopped = "stopped at the first failure (--fail-fast)";
        r->s->failed_fast = r->flight.stop = true;
}

/* --fail-fast has ended all by now. */
static void repeat_if_due(struct run *r, size_t i, const struct cell_result *x)
{
        if (r->o->no_repro || r->flight.stop || !repro_is_due(x->cell->test, x->verdict) ||
            test_session_was_repeated(r->s, x->cell))
                return;
        test_session_repeat_cell(r->s, r->cells[i]);
        r->cells[r->n + r->flight.n_more++] = r->cells[i];
}

static void on_end_of_repeat(struct run *r, size_t i, const struct flight_end *end)
{
        struct test_session *s = r->s;
        struct json_object *first = s->results[r->cells[i]].verdict;
        const char *why = end->error   ? kt_error_text(end->error)
                          : end->begun ? "cancelled"
                                       : "it was not run";

        tell_repeat(r, test_session_end_repeat(s, r->cells[i], repro_tell(first, end->verdict, why)));
}

static void on_end_of_cell(struct run *r, size_t i, const struct flight_end *end)
{
        struct test_session *s = r->s;
        enum test_outcome outcome = test_outcome_of(end->word);
        const char *reason = end->verdict ? kt_json_str(end->verdict, "reason") : "cancelled";
        struct cell_result *x;

        if (end->error)
                reason = kt_error_text(end->error);
        if (is(end->error, KT_E_SHUTTING_DOWN) || is(end->error, KT_E_BUSY)) {
                no_daemon(r, end->error);
                outcome = TEST_NOT_RUN;
                reason = s->stopped;
        } else if (!end->verdict && !end->error && (!end->begun || r->no_daemon)) {
                outcome = TEST_NOT_RUN;
                reason = s->failed_fast ? "not run after a failure"
                         : s->stopped   ? s->stopped
                                        : "interrupted";
        }
        x = test_session_end_cell(s, r->cells[i], outcome, reason, end->verdict, end->status);
        stop_if_bad(r, outcome);
        repeat_if_due(r, i, x);
        tell(r, x);
}

static void on_end(void *userdata, size_t i, const struct flight_end *end)
{
        struct run *r = userdata;

        if (i >= r->n)
                on_end_of_repeat(r, i, end);
        else
                on_end_of_cell(r, i, end);
}

/* What is known before anything runs. */
static void end_those_that_do_not_run(struct run *r)
{
        for (size_t i = 0; i < r->s->plan.n; i++) {
                const struct test_cell *c = &r->s->plan.cells[i];

                if (c->problem) {
                        stop_if_bad(r, TEST_ERROR);
                        tell(r, test_session_end_cell(r->s, i, TEST_ERROR, c->problem->text, NULL,
                                                      c->problem->status));
                } else if (c->ignored)
                        tell(r, test_session_end_cell(r->s, i, TEST_IGNORED, "it is declared .ignore", NULL,
                                                      EXIT_STATUS_PASS));
                else if (c->skip)
                        tell(r, test_session_end_cell(r->s, i, TEST_SKIP, c->skip, NULL, EXIT_STATUS_PASS));
        }
}

/* What was ended for another's failure says nothing of its own. */
static int status_of(const struct run *r, int interrupted)
{
        int status = r->no_daemon ? EXIT_STATUS_NO_DAEMON : EXIT_STATUS_PASS;

        if (interrupted)
                return EXIT_STATUS_CANCELLED;
        for (size_t i = 0; i < r->s->plan.n; i++) {
                const struct cell_result *x = &r->s->results[i];

                if (x->outcome != TEST_NOT_RUN && !(x->outcome == TEST_CANCELLED && r->s->stopped))
                        status = exit_status_worse(status, x->status);
        }
        return status;
}

static int finish(struct run *r, struct kt_error *reterr)
{
        int e = 0, worst = 0;

        for (size_t i = 0; i < r->n_reports; i++) {
                if (r->reports[i].ops->end)
                        e = r->reports[i].ops->end(&r->reports[i], worst < 0 ? NULL : reterr);
                worst = worst < 0 ? worst : e;
        }
        return worst;
}

static int run_cells(struct run *r, struct kt_error *reterr)
{
        const int64_t began = now_ms();
        int interrupted;

        for (size_t i = 0; i < r->s->plan.n; i++)
                if (test_cell_runs(&r->s->plan.cells[i]))
                        r->cells[r->n++] = i;
        for (size_t i = 0; i < r->n_reports; i++)
                if (r->reports[i].ops->begin)
                        r->reports[i].ops->begin(&r->reports[i]);
        r->flight = (struct flight){.globals = r->s->globals,
                                    .n = r->n,
                                    .max = r->o->jobs,
                                    .userdata = r,
                                    .send = send_cell,
                                    .on_event = on_event,
                                    .on_end = on_end};
        end_those_that_do_not_run(r);
        interrupted = flight_run(&r->flight);
        if (interrupted < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r->s->elapsed_ms = now_ms() - began;
        if (interrupted && !r->s->stopped)
                r->s->stopped = "interrupted";
        r->s->status = status_of(r, interrupted);
        return finish(r, reterr);
}

int test_run(struct test_session *s, const struct test_run_options *options, struct test_report *reports,
             size_t n_reports, struct kt_error *reterr)
{
        struct run r = {.s = s,
                        .o = options,
                        .reports = reports,
                        .n_reports = n_reports,
                        .cells = calloc(2 * s->plan.n + 1, sizeof(size_t))};
        int e;

        for (size_t i = 0; i < n_reports; i++)
                reports[i].session = s;
        e = r.cells ? run_cells(&r, reterr) : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        free(r.cells);
        return e;
}
