/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a payload's output comes to: metrics, and the checks on them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../pattern.h"
#include "message.h"
#include "payload.h"

/* Of CPU time, for one pattern in one stream of a program, which may have printed megabytes under an
 * emulator. */
#define SEARCH_MS 3000U

struct reading {
        bool there;
        bool untold; /* nor is it known to be missing: it could not be looked for */
        double value;
        char why_not[256];
};

static void read_json(struct json_object *json, const struct ktstr_metric_def *m, struct reading *ret)
{
        struct json_object *value = NULL;

        if (!json)
                snprintf(ret->why_not, sizeof(ret->why_not), "it printed no whole JSON value");
        else if (json_pointer_get(json, m->json, &value) < 0)
                snprintf(ret->why_not, sizeof(ret->why_not), "there is nothing at %s", m->json);
        else if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
                snprintf(ret->why_not, sizeof(ret->why_not), "what is at '%s' is no number", m->json);
        else
                ret->value = json_object_get_double(value);
}

/* The first group of its last match, as text. 1, 0 (nowhere), -errno. */
static int find_last(const struct kt_pattern *p, const struct output *o, char *text, size_t size)
{
        struct kt_span span;
        int r = kt_pattern_find_last_within(p, o->bytes ?: "", o->size, 1, SEARCH_MS, &span);

        if (r == 1)
                snprintf(text, size, "%.*s", (int)(span.end - span.begin), o->bytes + span.begin);
        return r;
}

static void say_why_untold(struct reading *ret, const char *pattern, int r)
{
        ret->untold = true;
        if (r == -ETIMEDOUT)
                snprintf(ret->why_not, sizeof(ret->why_not),
                         "to look for '%.100s' in its output takes more than %u ms of CPU time: write a "
                         "simpler pattern, or have it print less",
                         pattern, SEARCH_MS);
        else if (r == -ERANGE)
                snprintf(ret->why_not, sizeof(ret->why_not),
                         "'%.100s' backtracks too much on its output: write a simpler pattern", pattern);
        else
                snprintf(ret->why_not, sizeof(ret->why_not), "cannot look for '%.100s': %s", pattern,
                         strerror(-r));
}

static void read_pattern(const struct ktstr_payload_handle *h, const struct ktstr_metric_def *m,
                         struct reading *ret)
{
        struct kt_error err = KT_ERROR_INIT;
        struct kt_pattern *p = NULL;
        char text[64] = "", *end;
        int in_out, in_err;

        if (kt_pattern_new(m->pattern, &p, &err) < 0) {
                ret->untold = true;
                snprintf(ret->why_not, sizeof(ret->why_not), "%s", kt_error_text(&err));
                kt_error_done(&err);
                return;
        }
        in_out = find_last(p, &h->out, text, sizeof(text));
        in_err = in_out < 0 ? in_out : find_last(p, &h->err, text, sizeof(text));
        kt_pattern_free(p);
        ret->value = strtod(text, &end);
        if (in_err < 0)
                say_why_untold(ret, m->pattern, in_err);
        else if (!in_out && !in_err)
                snprintf(ret->why_not, sizeof(ret->why_not), "'%.100s' is nowhere in its output",
                         m->pattern);
        else if (end == text || *end)
                snprintf(ret->why_not, sizeof(ret->why_not), "'%.100s' finds '%s', which is no number",
                         m->pattern, text);
}

static struct reading read_metric(const struct ktstr_payload_handle *h, struct json_object *json,
                                  const struct ktstr_metric_def *m)
{
        struct reading reading = {};

        if (m->json)
                read_json(json, m, &reading);
        else
                read_pattern(h, m, &reading);
        if (!reading.why_not[0] && !isfinite(reading.value))
                snprintf(reading.why_not, sizeof(reading.why_not), "it is no finite number");
        reading.there = !reading.why_not[0];
        return reading;
}

static const char *better(enum ktstr_polarity polarity)
{
        switch (polarity) {
        case KTSTR_LOWER:
                return "lower";
        case KTSTR_HIGHER:
                return "higher";
        default:
                return NULL;
        }
}

static bool is_checked(const struct ktstr_payload *p, const char *metric)
{
        for (const struct ktstr_payload_check *c = p->checks; c && c->kind; c++)
                if (c->metric && strcmp(c->metric, metric) == 0)
                        return true;
        return false;
}

static void note_metric(const struct ktstr_payload_handle *h, const struct ktstr_metric_def *m,
                        const struct reading *reading)
{
        char name[256];

        snprintf(name, sizeof(name), "%s.%s", h->p->name, m->name);
        if (reading->there)
                metric_set(h->b, name, reading->value, m->unit, better(m->polarity));
        else if (!is_checked(h->p, m->name))
                ktstr_note(&h->b->ctx, "payload %s has no metric %s: %s", h->p->name, m->name,
                           reading->why_not);
}

static enum ktstr_outcome check_value(const struct ktstr_payload_handle *h,
                                      const struct ktstr_payload_check *c, const struct ktstr_metric_def *m,
                                      const struct reading *reading)
{
        const char *payload = h->p->name, *space = m->unit && *m->unit ? " " : "", *unit = m->unit ?: "";
        struct ktstr_ctx *ctx = &h->b->ctx;

        if (reading->untold)
                return ktstr_error(ctx, "payload %s: its metric %s cannot be told: %s", payload, m->name,
                                   reading->why_not);
        if (!reading->there)
                return ktstr_fail(ctx, "payload %s has no metric %s: %s", payload, m->name,
                                  reading->why_not);
        switch (c->kind) {
        case KTSTR_CHECK_MIN:
                if (reading->value < c->min)
                        return ktstr_fail(ctx, "payload %s: %s is %g%s%s, below its minimum %g", payload,
                                          m->name, reading->value, space, unit, c->min);
                break;
        case KTSTR_CHECK_MAX:
                if (reading->value > c->max)
                        return ktstr_fail(ctx, "payload %s: %s is %g%s%s, above its maximum %g", payload,
                                          m->name, reading->value, space, unit, c->max);
                break;
        case KTSTR_CHECK_RANGE:
                if (reading->value < c->min || reading->value > c->max)
                        return ktstr_fail(ctx, "payload %s: %s is %g%s%s, outside its range %g to %g",
                                          payload, m->name, reading->value, space, unit, c->min, c->max);
                break;
        default:
                break;
        }
        return KTSTR_PASS;
}

static enum ktstr_outcome check_metric(const struct ktstr_payload_handle *h,
                                       const struct ktstr_metric_def *m, const struct reading *reading)
{
        enum ktstr_outcome worst = KTSTR_PASS;

        for (const struct ktstr_payload_check *c = h->p->checks; c && c->kind; c++)
                if (c->metric && strcmp(c->metric, m->name) == 0)
                        worst = ktstr_worse(worst, check_value(h, c, m, reading));
        return worst;
}

/* Behind what went wrong: what the program itself says of it. */
static const char *last_words(const struct ktstr_payload_handle *h, char *text, size_t size)
{
        char line[200];

        output_last_line(&h->err, line, sizeof(line));
        if (!line[0])
                output_last_line(&h->out, line, sizeof(line));
        snprintf(text, size, "%s%s", line[0] ? ": " : "", line);
        return text;
}

static enum ktstr_outcome check_end(const struct ktstr_payload_handle *h)
{
        const int status = h->wait_status;
        char words[256];
        int wanted = 0;

        for (const struct ktstr_payload_check *c = h->p->checks; c && c->kind; c++)
                if (c->kind == KTSTR_CHECK_EXIT_CODE)
                        wanted = (int)c->min;
        if (WIFSIGNALED(status))
                return ktstr_fail(&h->b->ctx, "payload %s was killed by signal %d (%s)%s", h->p->name,
                                  WTERMSIG(status), strsignal(WTERMSIG(status)),
                                  last_words(h, words, sizeof(words)));
        if (WEXITSTATUS(status) == wanted)
                return KTSTR_PASS;
        return ktstr_fail(&h->b->ctx, "payload %s exited with %d instead of %d%s", h->p->name,
                          WEXITSTATUS(status), wanted, last_words(h, words, sizeof(words)));
}

enum ktstr_outcome payload_judge(const struct ktstr_payload_handle *h, bool killed)
{
        struct json_object *json = h->p->output == KTSTR_OUTPUT_JSON ? output_last_json(&h->out) : NULL;
        enum ktstr_outcome worst = killed ? KTSTR_PASS : check_end(h);

        for (const struct ktstr_metric_def *m = h->p->metrics; m && m->name; m++) {
                const struct reading reading = read_metric(h, json, m);

                note_metric(h, m, &reading);
                worst = ktstr_worse(worst, check_metric(h, m, &reading));
        }
        json_object_put(json);
        return worst;
}
