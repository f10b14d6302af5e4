/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test's function says: why it came out as it did, notes, numbers. */
#include "message.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../proto/bodymsg.h"
#include "../../proto/codec.h"
#include "../outcome.h"
#include "state.h"

#define TEXT_MAX 4096

enum ktstr_outcome ktstr_worse(enum ktstr_outcome a, enum ktstr_outcome b)
{
        return a > b ? a : b;
}

static enum ktstr_outcome say(struct ktstr_ctx *ctx, enum ktstr_outcome outcome, const char *fmt, va_list ap)
{
        struct ktstr_body *b = body_of(ctx);
        struct json_object *message;
        char text[TEXT_MAX];

        vsnprintf(text, sizeof(text), fmt, ap);
        b->said = ktstr_worse(b->said, outcome);
        /* A test that says more says the same again and again. */
        if (json_object_array_length(b->messages) >= KT_BODY_MESSAGES_MAX)
                return outcome;
        message = json_object_new_object();
        kt_json_add_str(message, "outcome", outcome_name(outcome));
        kt_json_add_str(message, "text", text);
        json_object_array_add(b->messages, message);
        return outcome;
}

#define SAY(name, outcome)                                                                                  \
        enum ktstr_outcome name(struct ktstr_ctx *ctx, const char *fmt, ...)                                \
        {                                                                                                   \
                va_list ap;                                                                                 \
                                                                                                            \
                va_start(ap, fmt);                                                                          \
                say(ctx, outcome, fmt, ap);                                                                 \
                va_end(ap);                                                                                 \
                return outcome;                                                                             \
        }

SAY(ktstr_fail, KTSTR_FAIL)
SAY(ktstr_skip, KTSTR_SKIP)
SAY(ktstr_inconclusive, KTSTR_INCONCLUSIVE)
SAY(ktstr_error, KTSTR_ERROR)

void ktstr_note(struct ktstr_ctx *ctx, const char *fmt, ...)
{
        char text[TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        body_event(body_of(ctx), "note", "text", text, NULL, NULL);
}

/* The metric of that name, which is made when there is none; NULL: there is no room for it. */
static struct json_object *metric_of(struct ktstr_body *b, const char *name)
{
        struct json_object *m;

        for (size_t i = 0; i < json_object_array_length(b->metrics); i++) {
                m = json_object_array_get_idx(b->metrics, i);
                if (strcmp(kt_json_str(m, "name"), name) == 0)
                        return m;
        }
        if (json_object_array_length(b->metrics) >= KT_BODY_METRICS_MAX)
                return NULL;
        m = json_object_new_object();
        kt_json_add_str(m, "name", name);
        json_object_array_add(b->metrics, m);
        return m;
}

void metric_set(struct ktstr_body *b, const char *name, double value, const char *unit, const char *better)
{
        struct json_object *m = metric_of(b, name);

        if (!m) {
                if (!b->metrics_lost)
                        ktstr_error(&b->ctx, "metric %s is one too many: a test has at most %u", name,
                                    KT_BODY_METRICS_MAX);
                b->metrics_lost = true;
                return;
        }
        json_object_object_del(m, "value");
        json_object_object_del(m, "unit");
        json_object_object_del(m, "better");
        kt_json_add_double(m, "value", value);
        kt_json_add_str(m, "unit", unit ?: "");
        kt_json_add_str(m, "better", better);
}

void ktstr_metric(struct ktstr_ctx *ctx, const char *name, double value, const char *unit)
{
        if (!name || !*name)
                ktstr_error(ctx, "a metric has no name");
        else if (isfinite(value))
                metric_set(body_of(ctx), name, value, unit, NULL);
        else
                ktstr_error(ctx, "metric %s is no number", name);
}
