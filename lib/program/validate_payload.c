/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../proto/codec.h"
#include "../pattern.h"
#include "validate.h"

/* found() for "payload.metrics[1]" and its like. */
static void found_in(struct subject *s, const char *field, const char *list, size_t i, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

static void found_in(struct subject *s, const char *field, const char *list, size_t i, const char *fmt, ...)
{
        char name[96], text[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        snprintf(name, sizeof(name), "%s.%s[%zu]", field, list, i);
        found(s, name, "%s", text);
}

static void check_metric(const struct ktstr_payload *p, size_t i, const char *field, struct subject *s)
{
        const struct ktstr_metric_def *m = &p->metrics[i];
        struct kt_error err = KT_ERROR_INIT;
        struct kt_pattern *pattern = NULL;

        if (!m->json == !m->pattern)
                found_in(s, field, "metrics", i, "%s needs one of .json and .pattern", m->name);
        if (m->json && p->output != KTSTR_OUTPUT_JSON)
                found_in(s, field, "metrics", i,
                         "%s is read by .json, which needs .output = KTSTR_OUTPUT_JSON", m->name);
        if (m->json && m->json[0] && m->json[0] != '/')
                found_in(s, field, "metrics", i, "'%s' is no JSON pointer: it begins with '/'", m->json);
        if (m->pattern && kt_pattern_new(m->pattern, &pattern, &err) < 0)
                found_in(s, field, "metrics", i, "%s: %s", m->name, kt_error_text(&err));
        if (pattern && kt_pattern_groups(pattern) == 0)
                found_in(s, field, "metrics", i,
                         "%s: the pattern '%s' has no group, which is what the number is read "
                         "from",
                         m->name, m->pattern);
        if ((unsigned)m->polarity > KTSTR_HIGHER)
                found_in(s, field, "metrics", i, "%s: .polarity is none of KTSTR_LOWER and KTSTR_HIGHER",
                         m->name);
        for (size_t k = 0; k < i; k++)
                if (strcmp(p->metrics[k].name, m->name) == 0)
                        found_in(s, field, "metrics", i, "there is another metric '%s'", m->name);
        kt_pattern_free(pattern);
        kt_error_done(&err);
}

static bool has_metric(const struct ktstr_payload *p, const char *name)
{
        for (const struct ktstr_metric_def *m = p->metrics; m && m->name; m++)
                if (strcmp(m->name, name) == 0)
                        return true;
        return false;
}

static void check_check(const struct ktstr_payload *p, size_t i, const char *field, struct subject *s)
{
        const struct ktstr_payload_check *c = &p->checks[i];

        if (c->kind < KTSTR_CHECK_EXISTS || c->kind > KTSTR_CHECK_EXIT_CODE) {
                found_in(s, field, "checks", i, "is of no kind that there is: KTSTR_CHECK_MAX and its like");
                return;
        }
        if (c->kind == KTSTR_CHECK_EXIT_CODE) {
                if (c->metric)
                        found_in(s, field, "checks", i, "is of the exit code, and names the metric '%s'",
                                 c->metric);
                if (!(c->min >= 0 && c->min <= 255))
                        found_in(s, field, "checks", i, "an exit code is from 0 to 255, not %g", c->min);
                return;
        }
        if (!c->metric)
                found_in(s, field, "checks", i, "names no metric");
        else if (!has_metric(p, c->metric))
                found_in(s, field, "checks", i, "there is no metric '%s' among the payload's", c->metric);
        if (!isfinite(c->min) || !isfinite(c->max))
                found_in(s, field, "checks", i, "has a bound that is no number");
        else if (c->kind == KTSTR_CHECK_RANGE && c->min > c->max)
                found_in(s, field, "checks", i, "the range goes from %g down to %g", c->min, c->max);
}

static void check_text(const char *text, const char *field, const char *member, struct subject *s)
{
        char name[96];

        snprintf(name, sizeof(name), "%s.%s", field, member);
        if (!text || !*text)
                found(s, name, "is not set");
        else if (!kt_utf8_valid(text, strlen(text)))
                found(s, name, "is not UTF-8");
}

void validate_payload(const struct ktstr_payload *p, const char *field, struct subject *s)
{
        check_text(p->name, field, "name", s);
        check_text(p->binary, field, "binary", s);
        if ((unsigned)p->output > KTSTR_OUTPUT_JSON)
                found(s, field,
                      "has an .output that is neither KTSTR_OUTPUT_EXIT_CODE nor KTSTR_OUTPUT_JSON");
        for (size_t i = 0; p->metrics && p->metrics[i].name; i++)
                check_metric(p, i, field, s);
        for (size_t i = 0; p->checks && (p->checks[i].kind || p->checks[i].metric); i++)
                check_check(p, i, field, s);
}
