/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run as JSON: an event of io.ktstrd.Job a line, with the cell's label; the last object is the summary. */
#include <stdlib.h>

#include "../proto/codec.h"
#include "test_report.h"

static void print(struct test_report *r, struct json_object *o)
{
        fprintf(r->out, "%s\n",
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        fflush(r->out);
}

static void add_cell(struct json_object *o, const struct test_cell *c, const char *label)
{
        kt_json_add_str(o, "label", label);
        kt_json_add_str(o, "program", c->program->path);
        kt_json_add_str(o, "test", test_cell_test(c));
}

/* The verdict's comes with the result, like those that never had one. */
static void event(struct test_report *r, const struct test_cell *c, const char *label,
                  struct json_object *event)
{
        if (kt_json_get(event, "verdict"))
                return;
        add_cell(event, c, label);
        print(r, event);
}

static void result(struct test_report *r, const struct cell_result *x)
{
        _cleanup_json_ struct json_object *event = json_object_new_object();

        kt_json_add_str(event, "kind", "verdict");
        kt_json_add_int(event, "elapsed_ms", x->elapsed_ms);
        add_cell(event, x->cell, x->cell->name);
        if (!x->verdict)
                kt_json_add_str(event, "state", test_outcome_word(x->outcome));
        kt_json_add(event, "verdict", cell_result_verdict(x));
        print(r, event);
}

static void repeat(struct test_report *r, const struct cell_result *x)
{
        _cleanup_json_ struct json_object *event = json_object_new_object();

        kt_json_add_str(event, "kind", "repro");
        add_cell(event, x->cell, x->cell->name);
        kt_json_add(event, "repro", json_object_get(x->repro));
        print(r, event);
}

static struct json_object *failure(const struct test_session *s, const struct cell_result *x)
{
        struct json_object *o = json_object_new_object();
        _cleanup_free_ char *again = test_session_again(s, x);

        add_cell(o, x->cell, x->cell->name);
        kt_json_add_str(o, "verdict", test_outcome_word(x->outcome));
        kt_json_add_str(o, "reason", x->reason);
        kt_json_add(o, "details", cell_result_details(x));
        if (cell_result_seed(x) >= 0)
                kt_json_add_int(o, "seed", cell_result_seed(x));
        kt_json_add_str(o, "again", again);
        kt_json_add_str(o, "result_dir", kt_json_str(x->verdict, "result_dir"));
        if (x->repro)
                kt_json_add(o, "repro", json_object_get(x->repro));
        return o;
}

static int end(struct test_report *r, struct kt_error *reterr)
{
        static const char *const names[TEST_OUTCOMES] = {"passed",  "failed",    "inconclusive", "errors",
                                                         "skipped", "cancelled", "not_run",      "ignored"};
        const struct test_session *s = r->session;
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct json_object *failures = json_object_new_array();

        kt_json_add_str(o, "kind", "summary");
        kt_json_add_int(o, "cells", (int64_t)s->plan.n);
        for (enum test_outcome i = TEST_PASS; i < TEST_OUTCOMES; i++)
                kt_json_add_int(o, names[i], s->counts[i]);
        kt_json_add_int(o, "elapsed_ms", s->elapsed_ms);
        kt_json_add_int(o, "status", s->status);
        kt_json_add_str(o, "stopped", s->stopped);
        for (size_t i = 0; i < s->plan.n; i++)
                if (test_outcome_is_bad(s->results[i].outcome))
                        json_object_array_add(failures, failure(s, &s->results[i]));
        kt_json_add(o, "failures", failures);
        print(r, o);
        return 0;
}

const struct test_report_ops test_report_json = {
        .event = event, .result = result, .repeat = repeat, .end = end};
