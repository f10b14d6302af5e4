/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run for a person: a line for each cell as it ends, then what it comes to, failures last. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "labelled.h"
#include "live.h"
#include "test_report.h"

static const char *colour(enum test_outcome outcome)
{
        switch (outcome) {
        case TEST_PASS:
                return "\033[32m";
        case TEST_FAIL:
        case TEST_ERROR:
                return "\033[31m";
        default:
                return "\033[33m";
        }
}

static void put_word(struct test_report *r, enum test_outcome outcome, int width)
{
        const bool colours = live_colours(r->out);
        char word[16] = "";

        for (size_t i = 0; test_outcome_word(outcome)[i] && i + 1 < sizeof(word); i++)
                word[i] = (char)toupper((unsigned char)test_outcome_word(outcome)[i]);
        fprintf(r->out, "%s%-*s%s", colours ? colour(outcome) : "", width, word, colours ? "\033[0m" : "");
}

/* How far it is, below the lines, where somebody looks on. */
static void put_progress(struct test_report *r)
{
        const struct test_session *s = r->session;

        if (r->data && s->n_ended < s->plan.n)
                fprintf(r->out, "%zu of %zu…", s->n_ended, s->plan.n);
        else if (r->data && s->n_repeated > 0)
                fputs("auto-repro…", r->out);
        fflush(r->out);
}

static void clear_progress(struct test_report *r)
{
        if (r->data)
                fputs("\r\033[K", r->out);
}

/* What is not run for the same reason is told as one, at the first of them. */
static bool is_told_with_another(const struct cell_result *x)
{
        return x->first && x->first != x;
}

static void put_result(struct test_report *r, const struct cell_result *x)
{
        _cleanup_free_ char *name = test_session_display(r->session, x->cell);

        put_word(r, x->outcome, 4);
        fprintf(r->out, "  %s", name ? name : x->cell->name);
        if (x->n_same > 1)
                fprintf(r->out, " and %zu more", x->n_same - 1);
        if (x->verdict)
                fprintf(r->out, "  (%.1f s)", (double)x->elapsed_ms / 1000);
        if (x->outcome != TEST_PASS && x->reason && *x->reason)
                fprintf(r->out, "  %s", x->reason);
        fputc('\n', r->out);
}

static void begin(struct test_report *r)
{
        static bool on_terminal = true;

        if (!r->verbose && isatty(fileno(r->out)))
                r->data = &on_terminal;
        put_progress(r);
}

static void event(struct test_report *r, const struct test_cell *c, const char *label,
                  struct json_object *event)
{
        /* That it waits, and for how long, is of interest where there is one. */
        struct labelled l = {.label = label, .verbose = true};

        if (r->verbose && !kt_json_get(event, "verdict"))
                labelled_show(&l, event);
}

/* What is not run, and nobody wants to be, is counted in the end. */
static void result(struct test_report *r, const struct cell_result *x)
{
        r->told++;
        if (x->outcome == TEST_IGNORED || x->outcome == TEST_NOT_RUN || is_told_with_another(x))
                return;
        clear_progress(r);
        put_result(r, x);
        put_progress(r);
}

/* It is told with the failure. */
static void repeat(struct test_report *r, const struct cell_result *x)
{
        clear_progress(r);
        put_progress(r);
}

static void put_lines(struct test_report *r, struct json_object *lines)
{
        for (size_t i = 0; i < json_object_array_length(lines); i++)
                fprintf(r->out, "      %s\n", json_object_get_string(json_object_array_get_idx(lines, i)));
}

static void put_failure(struct test_report *r, const struct cell_result *x)
{
        _cleanup_json_ struct json_object *details = cell_result_details(x), *repro = cell_result_repro(x);
        _cleanup_free_ char *again = test_session_again(r->session, x);
        const char *logs = kt_json_str(x->verdict, "result_dir");

        fputc('\n', r->out);
        put_result(r, x);
        if (x->cell->problem && x->cell->problem->needed_by)
                fprintf(r->out, "      needed by: %s\n", x->cell->problem->needed_by);
        put_lines(r, details);
        if (logs)
                fprintf(r->out, "      logs: %s\n", logs);
        if (json_object_array_length(repro) > 0)
                fputs("      --- auto-repro ---\n", r->out);
        put_lines(r, repro);
        fprintf(r->out, "      again: %s\n", again ? again : "");
}

/* Where nothing was tested, a 0 of failures says nothing. */
static void put_nothing_tested(struct test_report *r)
{
        const struct test_session *s = r->session;

        if (test_session_ran(s) > 0 || s->counts[TEST_NOT_RUN] > 0 || s->counts[TEST_ERROR] > 0)
                return;
        if (s->plan.n > 0 && s->counts[TEST_IGNORED] == s->plan.n)
                fputs("nothing was tested: all are ignored\n", r->out);
        else
                fprintf(r->out, "nothing was tested: all that was to be run was skipped\n");
}

static int end(struct test_report *r, struct kt_error *reterr)
{
        const struct test_session *s = r->session;
        _cleanup_free_ char *counts = test_session_counts(s);

        clear_progress(r);
        fprintf(r->out, "%s%s in %.1f s%s%s\n", r->told > s->counts[TEST_IGNORED] ? "\n" : "",
                counts ? counts : "", (double)s->elapsed_ms / 1000, s->stopped ? "; " : "",
                s->stopped ? s->stopped : "");
        put_nothing_tested(r);
        for (size_t i = 0; i < s->plan.n; i++)
                if (test_outcome_is_bad(s->results[i].outcome) && !is_told_with_another(&s->results[i]))
                        put_failure(r, &s->results[i]);
        fflush(r->out);
        return 0;
}

const struct test_report_ops test_report_text = {
        .begin = begin, .event = event, .result = result, .repeat = repeat, .end = end};
