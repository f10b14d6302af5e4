/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_verdict.h"

#include <errno.h>
#include <stdlib.h>

#include "../lib/body_report.h"
#include "../lib/check.h"
#include "../lib/outcome.h"
#include "../proto/codec.h"
#include "../proto/errors.h"

static struct json_object *new_verdict(const char *word, const char *reason)
{
        static const char *const arrays[] = {"details", "checks", "cgroups", "workers"};
        struct json_object *v = json_object_new_object();

        kt_json_add_str(v, "verdict", word);
        kt_json_add_str(v, "reason", reason);
        for (size_t i = 0; i < KT_ARRAY_SIZE(arrays); i++)
                kt_json_add(v, arrays[i], json_object_new_array());
        return v;
}

struct json_object *host_verdict_error(const struct kt_error *err)
{
        struct json_object *v = new_verdict("error", kt_error_text(err));

        kt_json_add_str(v, "error", err->name ? err->name : KT_E_INTERNAL);
        return v;
}

static enum ktstr_outcome outcome_of(enum kt_outcome o)
{
        return o == KT_FAIL ? KTSTR_FAIL : o == KT_INCONCLUSIVE ? KTSTR_INCONCLUSIVE : KTSTR_PASS;
}

struct judged {
        struct body_report report;
        struct kt_check_result *checks;
        size_t n_checks;
        enum ktstr_outcome outcome;
};

static void judged_done(struct judged *j)
{
        body_report_done(&j->report);
        free(j->checks);
}

static void judge_all(struct judged *j)
{
        j->outcome = j->report.outcome;
        for (size_t i = 0; i < j->report.n_messages; i++)
                if (j->report.messages[i].outcome > j->outcome)
                        j->outcome = j->report.messages[i].outcome;
        for (size_t i = 0; i < j->n_checks; i++)
                if (outcome_of(j->checks[i].outcome) > j->outcome)
                        j->outcome = outcome_of(j->checks[i].outcome);
}

/* The first that is as bad as all of it. */
static const char *reason_of(const struct judged *j)
{
        for (size_t i = 0; i < j->report.n_messages; i++)
                if (j->report.messages[i].outcome == j->outcome)
                        return j->report.messages[i].text;
        for (size_t i = 0; i < j->n_checks && j->outcome > KTSTR_SKIP; i++)
                if (outcome_of(j->checks[i].outcome) == j->outcome)
                        return j->checks[i].text;
        return j->outcome == KTSTR_PASS ? "passed on the host" : "it gave no reason";
}

static struct json_object *checks_json(const struct judged *j)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < j->n_checks; i++) {
                const struct kt_check_result *c = &j->checks[i];
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", c->name);
                kt_json_add_str(o, "verdict",
                                c->outcome == KT_SKIP ? "skip" : outcome_name(outcome_of(c->outcome)));
                kt_json_add_str(o, "text", c->text);
                if (c->has_value) {
                        kt_json_add_double(o, "value", c->value);
                        kt_json_add_double(o, "threshold", c->threshold);
                        kt_json_add_str(o, "unit", c->unit);
                }
                json_object_array_add(list, o);
        }
        return list;
}

static struct json_object *messages_json(const struct judged *j)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < j->report.n_messages; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "outcome", outcome_name(j->report.messages[i].outcome));
                kt_json_add_str(o, "text", j->report.messages[i].text);
                json_object_array_add(list, o);
        }
        return list;
}

static struct json_object *metrics_json(const struct judged *j)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < j->report.n_metrics; i++) {
                const struct body_metric *m = &j->report.metrics[i];
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", m->name);
                kt_json_add_double(o, "value", m->value);
                kt_json_add_str(o, "unit", m->unit ? m->unit : "");
                if (m->better != KTSTR_POLARITY_UNSET)
                        kt_json_add_str(o, "better", m->better == KTSTR_LOWER ? "lower" : "higher");
                json_object_array_add(list, o);
        }
        return list;
}

/* Whatever the report is wrong by, the program is at fault here. */
static int parse(struct json_object *result, struct judged *j, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = body_report_parse(result, &j->report, &err);

        if (r < 0)
                return kt_error_set(reterr, r, r == -ENOMEM ? KT_E_INTERNAL : KT_E_TEST_PROGRAM, "%s",
                                    kt_error_text(&err));
        /* The host's own delay is what the host measures here: nobody else is to be excused. */
        r = kt_check_all(&j->report.workload, NULL, NULL, &j->checks, &j->n_checks);
        return r < 0 ? kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory") : 0;
}

int host_verdict(struct json_object *result, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_(judged_done) struct judged j = {};
        struct json_object *v;
        int r = parse(result, &j, reterr);

        if (r < 0)
                return r;
        judge_all(&j);
        v = new_verdict(outcome_name(j.outcome), reason_of(&j));
        if (j.outcome == KTSTR_ERROR)
                kt_json_add_str(v, "error", KT_E_TEST_PROGRAM);
        kt_json_add(v, "checks", checks_json(&j));
        kt_json_add(v, "messages", messages_json(&j));
        kt_json_add(v, "metrics", metrics_json(&j));
        *ret = v;
        return 0;
}
