/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run as TAP version 14, in the order in which cells end. Strings of the diagnostics are JSON's, which are
 * YAML's too. */
#include <stdlib.h>

#include "../proto/codec.h"
#include "test_report.h"

static void begin(struct test_report *r)
{
        fprintf(r->out, "TAP version 14\n1..%zu\n", r->session->plan.n);
        fflush(r->out);
}

/* What was not run for another's failure has that to speak for it; where the run was cut off nothing has. */
static bool is_skipped(const struct test_session *s, const struct cell_result *x)
{
        return x->outcome == TEST_SKIP || x->outcome == TEST_IGNORED ||
               (x->outcome == TEST_NOT_RUN && s->failed_fast);
}

/* In a line: '#' begins a directive there, and '\' escapes. */
static void put_text(struct test_report *r, const char *text)
{
        for (const char *p = text ? text : ""; *p; p++) {
                if (*p == '#' || *p == '\\')
                        fputc('\\', r->out);
                fputc((unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p, r->out);
        }
}

static void put_string(struct test_report *r, const char *key, const char *value)
{
        struct json_object *o = json_object_new_object();

        /* By way of an object: what is no UTF-8 is repaired. */
        if (!value || kt_json_add_str(o, "s", value) < 0) {
                json_object_put(o);
                return;
        }
        fprintf(r->out, "%s%s\n", key,
                json_object_to_json_string_ext(kt_json_get(o, "s"),
                                               JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
}

/* Nothing when there are none. */
static void put_list(struct test_report *r, const char *key, struct json_object *lines)
{
        if (json_object_array_length(lines) > 0)
                fprintf(r->out, "%s\n", key);
        for (size_t i = 0; i < json_object_array_length(lines); i++)
                put_string(r, "    - ", json_object_get_string(json_object_array_get_idx(lines, i)));
}

static void put_diagnostics(struct test_report *r, const struct cell_result *x)
{
        _cleanup_json_ struct json_object *details = cell_result_details(x), *repro = cell_result_repro(x);
        _cleanup_free_ char *again = test_session_again(r->session, x);

        fputs("  ---\n", r->out);
        put_string(r, "  verdict: ", test_outcome_word(x->outcome));
        put_string(r, "  reason: ", x->reason);
        put_list(r, "  details:", details);
        put_string(r, "  logs: ", kt_json_str(x->verdict, "result_dir"));
        if (cell_result_seed(x) >= 0)
                fprintf(r->out, "  seed: %lld\n", (long long)cell_result_seed(x));
        put_list(r, "  auto_repro:", repro);
        put_string(r, "  again: ", again);
        fprintf(r->out, "  duration_ms: %lld\n  ...\n", (long long)x->elapsed_ms);
}

static void put_point(struct test_report *r, const struct cell_result *x)
{
        _cleanup_free_ char *name = test_session_display(r->session, x->cell);
        const bool ok = x->outcome == TEST_PASS || is_skipped(r->session, x);

        fprintf(r->out, "%s %zu - ", ok ? "ok" : "not ok", ++r->told);
        put_text(r, name);
        if (is_skipped(r->session, x)) {
                fputs(" # SKIP ", r->out);
                put_text(r, x->reason);
        }
        fputc('\n', r->out);
        if (!ok)
                put_diagnostics(r, x);
        fflush(r->out);
}

/* A point is told once: one that is run once more, when all of it is known. */
static void result(struct test_report *r, const struct cell_result *x)
{
        if (!x->is_repeated)
                put_point(r, x);
}

const struct test_report_ops test_report_tap = {.begin = begin, .result = result, .repeat = put_point};
