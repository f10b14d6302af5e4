/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "repro.h"

/* Of missed checks, and of a verdict's details. */
#define DETAILS_MAX 8U
#define DETAIL_LINES_MAX 12U
#define PROBLEM_LINES_MAX 100U

static const struct {
        const char *word, *counted;
} outcomes[TEST_OUTCOMES] = {
        [TEST_PASS] = {"pass", "passed"},
        [TEST_FAIL] = {"fail", "failed"},
        [TEST_INCONCLUSIVE] = {"inconclusive", "inconclusive"},
        [TEST_ERROR] = {"error", "in error"},
        [TEST_SKIP] = {"skip", "skipped"},
        [TEST_CANCELLED] = {"cancelled", "cancelled"},
        [TEST_NOT_RUN] = {"not run", "not run"},
        [TEST_IGNORED] = {"ignored", "ignored (--ignored runs them)"},
};

const char *test_outcome_word(enum test_outcome outcome)
{
        return outcomes[outcome].word;
}

bool test_outcome_is_bad(enum test_outcome outcome)
{
        return outcome == TEST_FAIL || outcome == TEST_INCONCLUSIVE || outcome == TEST_ERROR;
}

enum test_outcome test_outcome_of(const char *word)
{
        for (enum test_outcome o = TEST_PASS; o < TEST_NOT_RUN; o++)
                if (strcmp(outcomes[o].word, word) == 0)
                        return o;
        return TEST_ERROR;
}

static const char *why_not_run(const struct test_cell *c)
{
        return c->problem ? c->problem->text : c->ignored ? NULL : c->skip;
}

/* firsts has room for all, and n_firsts of those before. */
static void join_those_alike(struct cell_result *r, struct cell_result **firsts, size_t *n_firsts)
{
        const char *why = why_not_run(r->cell);

        for (size_t i = 0; why && i < *n_firsts && !r->first; i++)
                if (r->cell->problem == firsts[i]->cell->problem &&
                    strcmp(why, why_not_run(firsts[i]->cell)) == 0)
                        r->first = firsts[i];
        if (why && !r->first)
                r->first = firsts[(*n_firsts)++] = r;
        if (r->first)
                r->first->n_same++;
}

int test_session_init(struct test_session *s, struct test_plan *plan)
{
        _cleanup_free_ struct cell_result **firsts = calloc(plan->n + 1, sizeof(struct cell_result *));
        size_t n_firsts = 0;

        s->results = calloc(plan->n + 1, sizeof(*s->results));
        if (!s->results || !firsts)
                return -ENOMEM;
        s->plan = *plan;
        *plan = (struct test_plan){};
        for (size_t i = 0; i < s->plan.n; i++) {
                s->results[i].cell = &s->plan.cells[i];
                if (s->plan.cells[i].program != s->plan.cells[0].program)
                        s->several_programs = true;
                join_those_alike(&s->results[i], firsts, &n_firsts);
        }
        return 0;
}

void test_session_done(struct test_session *s)
{
        for (size_t i = 0; i < s->plan.n; i++) {
                free(s->results[i].reason);
                json_object_put(s->results[i].verdict);
                json_object_put(s->results[i].repro);
        }
        free(s->results);
        test_plan_done(&s->plan);
}

struct cell_result *test_session_end_cell(struct test_session *s, size_t i, enum test_outcome outcome,
                                          const char *reason, struct json_object *verdict, int status)
{
        struct cell_result *r = &s->results[i];

        r->outcome = outcome;
        r->reason = reason ? strndup(reason, strcspn(reason, "\n")) : NULL;
        r->verdict = json_object_get(verdict);
        r->elapsed_ms = verdict ? kt_json_int(verdict, "elapsed_ms", 0) : 0;
        r->status = status;
        s->counts[outcome]++;
        s->n_ended++;
        return r;
}

void test_session_repeat_cell(struct test_session *s, size_t i)
{
        s->results[i].is_repeated = true;
        s->n_repeated++;
}

struct cell_result *test_session_end_repeat(struct test_session *s, size_t i, struct json_object *repro)
{
        s->results[i].repro = repro;
        s->n_repeated--;
        return &s->results[i];
}

bool test_session_was_repeated(const struct test_session *s, const struct test_cell *c)
{
        for (size_t i = 0; i < s->plan.n; i++)
                if (s->results[i].is_repeated && s->results[i].cell->test == c->test &&
                    s->results[i].cell->kernel == c->kernel)
                        return true;
        return false;
}

unsigned test_session_ran(const struct test_session *s)
{
        return s->counts[TEST_PASS] + s->counts[TEST_FAIL] + s->counts[TEST_INCONCLUSIVE] +
               s->counts[TEST_ERROR] + s->counts[TEST_CANCELLED];
}

char *test_session_counts(const struct test_session *s)
{
        const char *separator = "";
        size_t size;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        for (enum test_outcome o = TEST_PASS; f && o < TEST_OUTCOMES; o++) {
                if (s->counts[o] == 0 && o != TEST_PASS)
                        continue;
                fprintf(f, "%s%u %s", separator, s->counts[o], outcomes[o].counted);
                separator = ", ";
        }
        if (f) {
                fprintf(f, " of %zu", s->plan.n);
                fclose(f);
        }
        return text;
}

/* --- the command that repeats one --- */

/* As a word for the shell. */
static void put_word(FILE *f, const char *word)
{
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";

        if (*word && word[strspn(word, plain)] == '\0') {
                fputs(word, f);
                return;
        }
        fputc('\'', f);
        for (const char *p = word; *p; p++)
                if (*p == '\'')
                        fputs("'\\''", f);
                else
                        fputc(*p, f);
        fputc('\'', f);
}

int64_t cell_result_seed(const struct cell_result *r)
{
        return kt_json_int(r->verdict, "seed", -1);
}

char *test_session_again(const struct test_session *s, const struct cell_result *r)
{
        const struct test_cell *c = r->cell;
        const int64_t seed = r->verdict ? cell_result_seed(r) : s->seed;
        const char *kernel = c->kernel ? test_cell_kernel(c) : test_cell_on_host(c) ? NULL : s->kernel;
        size_t size;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        fputs("ktstrctl test ", f);
        put_word(f, c->program->path);
        if (!c->test) {
                fputs(" --list", f);
                fclose(f);
                return text;
        }
        fprintf(f, " --filter '%s'", c->base);
        if (kernel) {
                fputs(" --kernel ", f);
                put_word(f, kernel);
        }
        if (kt_json_bool(c->test, "ignore", false))
                fputs(" --ignored", f);
        if (c->preset)
                fprintf(f, " --gauntlet%s", s->force ? " --force" : "");
        if (seed >= 0)
                fprintf(f, " --seed %lld", (long long)seed);
        if (s->globals->socket) {
                fputs(" --socket ", f);
                put_word(f, s->globals->socket);
        }
        if (s->again)
                fputs(s->again, f);
        fclose(f);
        return text;
}

char *test_session_display(const struct test_session *s, const struct test_cell *c)
{
        return s->several_programs && c->test ? kt_format("%s (%s)", c->name, test_program_name(c->program))
                                              : strdup(c->name);
}

/* --- what explains one --- */

static void add_line(struct json_object *lines, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_line(struct json_object *lines, const char *fmt, ...)
{
        char line[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        json_object_array_add(lines, json_object_new_string(line));
}

/* Checks that were missed, but for the one that is the reason. */
static void add_checks(struct json_object *lines, const struct cell_result *r)
{
        struct json_object *checks = kt_json_get(r->verdict, "checks");
        size_t n = checks ? json_object_array_length(checks) : 0, left_out = 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *c = json_object_array_get_idx(checks, i);
                const char *verdict = kt_json_str(c, "verdict"), *text = kt_json_str(c, "text");

                if (!verdict || !text || strcmp(verdict, "pass") == 0 || strcmp(verdict, "skip") == 0 ||
                    (r->reason && strstr(r->reason, text)))
                        continue;
                if (json_object_array_length(lines) < DETAILS_MAX)
                        add_line(lines, "%s: %s", kt_json_str(c, "name"), text);
                else
                        left_out++;
        }
        if (left_out > 0)
                add_line(lines, "… and %zu more", left_out);
}

/* One of them may have several lines, a part of a log for instance. */
static void add_details(struct json_object *lines, struct json_object *details)
{
        for (size_t i = 0; details && i < json_object_array_length(details); i++) {
                const char *text = json_object_get_string(json_object_array_get_idx(details, i));

                for (const char *p = text; p && *p;) {
                        const size_t len = strcspn(p, "\n");

                        if (json_object_array_length(lines) >= DETAIL_LINES_MAX) {
                                add_line(lines, "…");
                                return;
                        }
                        add_line(lines, "%.*s", (int)len, p);
                        p += len + (p[len] == '\n');
                }
        }
}

/* It is for the author that they are that many. */
static void add_problem(struct json_object *lines, const struct test_problem *p)
{
        const size_t n = p && p->details ? json_object_array_length(p->details) : 0;

        for (size_t i = 0; i < n && i < PROBLEM_LINES_MAX; i++)
                json_object_array_add(lines, json_object_get(json_object_array_get_idx(p->details, i)));
        if (n > PROBLEM_LINES_MAX)
                add_line(lines, "… and %zu more", n - PROBLEM_LINES_MAX);
}

struct json_object *cell_result_details(const struct cell_result *r)
{
        struct json_object *lines = json_object_new_array();
        const char *error = kt_json_str(kt_json_get(r->verdict, "scheduler"), "error_text");

        if (error && !(r->reason && strstr(r->reason, error)))
                add_line(lines, "scheduler: %.*s", (int)strcspn(error, "\n"), error);
        add_checks(lines, r);
        add_details(lines, kt_json_get(r->verdict, "details"));
        add_problem(lines, r->cell->problem);
        return lines;
}

struct json_object *cell_result_repro(const struct cell_result *r)
{
        _cleanup_free_ char *line = r->repro ? repro_line(r->repro) : NULL;
        struct json_object *lines = json_object_new_array();
        /* Of a run to its end it shows that the scheduler was told to go. */
        struct json_object *trace = repro_has_death(r->repro) ? kt_json_get(r->repro, "trace") : NULL;
        const char *logs = kt_json_str(r->repro, "result_dir");

        if (line)
                json_object_array_add(lines, json_object_new_string(line));
        for (size_t i = 0; trace && i < json_object_array_length(trace); i++)
                json_object_array_add(lines, json_object_get(json_object_array_get_idx(trace, i)));
        if (logs)
                add_line(lines, "its logs: %s", logs);
        return lines;
}

struct json_object *cell_result_verdict(const struct cell_result *r)
{
        static const char *const arrays[] = {"checks", "cgroups", "workers"};
        const bool not_run = r->outcome == TEST_IGNORED || r->outcome == TEST_NOT_RUN;
        struct json_object *v;

        if (r->verdict)
                return json_object_get(r->verdict);
        v = json_object_new_object();
        kt_json_add_str(v, "verdict",
                        r->outcome == TEST_NOT_RUN ? "cancelled"
                        : not_run                  ? "skip"
                                                   : test_outcome_word(r->outcome));
        kt_json_add_str(v, "reason", r->reason ? r->reason : "");
        kt_json_add(v, "details", cell_result_details(r));
        for (size_t i = 0; i < KT_ARRAY_SIZE(arrays); i++)
                kt_json_add(v, arrays[i], json_object_new_array());
        kt_json_add_int(v, "elapsed_ms", r->elapsed_ms);
        return v;
}
