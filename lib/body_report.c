/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body_report.h"

#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"
#include "cpus.h"
#include "thresholds.h"
#include "../proto/bodymsg.h"
#include "guest_value.h"
#include "outcome.h"

#define bad guest_value_bad
#define oom guest_value_oom

/* Of what a person reads. */
#define MESSAGE_MAX 4096
#define NAME_MAX_BYTES 255
#define UNIT_MAX_BYTES 32

static int parse_outcome(struct json_object *o, enum ktstr_outcome *ret, struct kt_error *reterr)
{
        struct json_object *v = guest_value_member(o, "outcome", json_type_string);

        if (outcome_find(v ? json_object_get_string(v) : NULL, ret))
                return 0;
        return bad(reterr, "the body's outcome is none that is known");
}

/*
 * The objects of an array, as zeroed elements of *ret, each read by `parse`. What is there when one fails
 * counts (*ret_n), for the caller to release.
 */
typedef int parse_fn(struct json_object *o, void *element, void *userdata, struct kt_error *reterr);

static int parse_array(struct json_object *array, size_t max, size_t size, parse_fn *parse, void *userdata,
                       void **ret, size_t *ret_n, struct kt_error *reterr)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n == 0)
                return 0;
        if (n > max)
                return bad(reterr, "a list in it is too long");
        *ret = calloc(n, size);
        if (!*ret)
                return oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(array, i);
                int r;

                *ret_n = i + 1;
                if (!json_object_is_type(o, json_type_object))
                        return bad(reterr, "an element of a list in it is no object");
                r = parse(o, (char *)*ret + i * size, userdata, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- what was said --- */

static int parse_message(struct json_object *o, void *element, void *userdata, struct kt_error *reterr)
{
        struct body_message *m = element;

        m->text = guest_value_text(o, "text", MESSAGE_MAX);
        if (!m->text)
                return bad(reterr, "a message has no text");
        return parse_outcome(o, &m->outcome, reterr);
}

static int parse_metric(struct json_object *o, void *element, void *userdata, struct kt_error *reterr)
{
        struct json_object *better = guest_value_member(o, "better", json_type_string);
        struct body_metric *m = element;

        m->name = guest_value_name(o, "name", NAME_MAX_BYTES);
        m->unit = guest_value_text(o, "unit", UNIT_MAX_BYTES);
        m->value = guest_value_double(o, "value");
        if (better && strcmp(json_object_get_string(better), "lower") == 0)
                m->better = KTSTR_LOWER;
        else if (better && strcmp(json_object_get_string(better), "higher") == 0)
                m->better = KTSTR_HIGHER;
        if (!m->unit)
                m->unit = strdup("");
        if (!m->unit)
                return oom(reterr);
        return m->name && m->name[0] ? 0 : bad(reterr, "a metric has no name");
}

/* --- what was measured --- */

/* "0-3,7". Absent: none. */
static int parse_cpus(struct json_object *o, const char *key, struct ktstr_cpus *ret, bool *ret_there,
                      struct kt_error *reterr)
{
        struct json_object *v = NULL;

        *ret_there = json_object_object_get_ex(o, key, &v);
        if (!*ret_there)
                return 0;
        if (!json_object_is_type(v, json_type_string) ||
            strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v) ||
            !cpus_parse_ascending(json_object_get_string(v), ret))
                return bad(reterr, "a list of CPUs makes no sense");
        return 0;
}

static int parse_worker(struct json_object *o, void *element, void *userdata, struct kt_error *reterr)
{
        struct kt_worker *w = element;
        bool ran;
        int r;

        w->tid = guest_value_number(o, "tid");
        w->work = guest_value_name(o, "work", NAME_MAX_BYTES);
        w->role = guest_value_name(o, "role", NAME_MAX_BYTES);
        w->work_units = guest_value_count(o, "work_units");
        w->iterations = guest_value_count(o, "iterations");
        w->cpu_ns = guest_value_count(o, "cpu_ns");
        w->wall_ns = guest_value_count(o, "wall_ns");
        w->off_cpu_ns = guest_value_count(o, "off_cpu_ns");
        w->migrations = guest_value_count(o, "migrations");
        w->max_gap_ns = guest_value_count(o, "max_gap_ns");
        w->max_gap_cpu = guest_value_number(o, "max_gap_cpu");
        w->max_gap_at_ns = guest_value_count(o, "max_gap_at_ns");
        w->run_delay_ns = guest_value_count(o, "run_delay_ns");
        w->run_count = guest_value_count(o, "run_count");
        w->started_ns = guest_value_count(o, "started_ns");
        w->stopped_ns = guest_value_count(o, "stopped_ns");
        w->paused_ns = guest_value_count(o, "paused_ns");
        w->exit = guest_value_text(o, "exit", NAME_MAX_BYTES);
        r = parse_cpus(o, "cpus", &w->cpus, &w->has_cpus, reterr);
        return r < 0 ? r : parse_cpus(o, "cpus_used", &w->cpus_used, &ran, reterr);
}

static void parse_wakes(struct json_object *o, struct kt_wakes *w)
{
        if (!o)
                return;
        w->count = guest_value_count(o, "count");
        w->p50_ns = guest_value_count(o, "p50_ns");
        w->p99_ns = guest_value_count(o, "p99_ns");
        w->max_ns = guest_value_count(o, "max_ns");
        w->cv = guest_value_double(o, "cv");
}

static void parse_pages(struct json_object *o, struct kt_pages *p)
{
        if (!o)
                return;
        p->total = guest_value_count(o, "total");
        p->local = guest_value_count(o, "local");
        p->slow = guest_value_count(o, "slow");
        p->migrated = guest_value_count(o, "migrated");
}

/* What the cgroups are read into, and how many workers they may still have. */
struct parser {
        const struct kt_workload *workload;
        size_t workers_left;
};

static int parse_workers(struct json_object *o, struct kt_cgroup *g, struct parser *p,
                         struct kt_error *reterr)
{
        struct json_object *workers = guest_value_member(o, "workers", json_type_array);
        void *list = NULL;
        int r;

        if (!workers)
                return bad(reterr, "a cgroup has no workers");
        if (json_object_array_length(workers) > p->workers_left)
                return bad(reterr, "too many workers");
        r = parse_array(workers, p->workers_left, sizeof(*g->workers), parse_worker, NULL, &list,
                        &g->n_workers, reterr);
        g->workers = list;
        p->workers_left -= g->n_workers;
        return r;
}

static int parse_cgroup(struct json_object *o, void *element, void *userdata, struct kt_error *reterr)
{
        struct kt_cgroup *g = element;
        struct parser *p = userdata;
        uint64_t scenario = guest_value_count(o, "scenario");
        int r;

        g->name = guest_value_name(o, "name", NAME_MAX_BYTES);
        if (!g->name)
                return bad(reterr, "a cgroup has no name");
        if (scenario >= p->workload->n_scenarios)
                return bad(reterr, "a cgroup is of no scenario");
        g->scenario = (unsigned)scenario;
        g->started_ns = guest_value_count(o, "started_ns");
        g->stopped_ns = guest_value_count(o, "stopped_ns");
        if (g->stopped_ns < g->started_ns)
                return bad(reterr, "a cgroup stopped before it started");
        g->isolated = guest_value_is_true(o, "isolated");
        parse_wakes(guest_value_member(o, "wakes", json_type_object), &g->wakes);
        parse_pages(guest_value_member(o, "pages", json_type_object), &g->pages);
        r = parse_cpus(o, "cpus", &g->cpus, &g->has_cpus, reterr);
        return r < 0 ? r : parse_workers(o, g, p, reterr);
}

static int parse_scenario(struct json_object *o, void *element, void *userdata, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_scenario *s = element;

        if (kt_checks_parse(guest_value_member(o, "checks", json_type_object), &s->checks, &err) < 0)
                return bad(reterr, kt_error_text(&err));
        return 0;
}

static int parse_workload(struct json_object *o, struct kt_workload *w, struct kt_error *reterr)
{
        struct parser p = {.workload = w, .workers_left = KT_BODY_WORKERS_MAX};
        void *list = NULL;
        bool says;
        int r;

        w->started_ns = guest_value_count(o, "started_ns");
        w->stopped_ns = guest_value_count(o, "stopped_ns");
        if (w->stopped_ns < w->started_ns)
                return bad(reterr, "the workload stopped before it started");
        r = parse_array(guest_value_member(o, "scenarios", json_type_array), KT_BODY_SCENARIOS_MAX,
                        sizeof(*w->scenarios), parse_scenario, NULL, &list, &w->n_scenarios, reterr);
        w->scenarios = list;
        if (r < 0)
                return r;
        list = NULL;
        r = parse_array(guest_value_member(o, "cgroups", json_type_array), KT_BODY_CGROUPS_MAX,
                        sizeof(*w->cgroups), parse_cgroup, &p, &list, &w->n_cgroups, reterr);
        w->cgroups = list;
        if (r >= 0)
                r = parse_cpus(o, "cpus", &w->cpus, &says, reterr);
        if (r >= 0 && ktstr_cpus_count(&w->cpus) == 0)
                return bad(reterr, "the workload does not say which CPUs there are");
        return r;
}

/* What ended a worker is never nothing. */
static bool worker_ended(const struct kt_workload *w)
{
        for (size_t i = 0; i < w->n_cgroups; i++)
                for (size_t j = 0; j < w->cgroups[i].n_workers; j++)
                        if (w->cgroups[i].workers[j].exit)
                                return true;
        return false;
}

static int parse(struct json_object *body, struct body_report *b, struct kt_error *reterr)
{
        struct json_object *workload = guest_value_member(body, "workload", json_type_object);
        void *list = NULL;
        int r = parse_outcome(body, &b->outcome, reterr);

        if (r < 0)
                return r;
        r = parse_array(guest_value_member(body, "messages", json_type_array), KT_BODY_MESSAGES_MAX,
                        sizeof(*b->messages), parse_message, NULL, &list, &b->n_messages, reterr);
        b->messages = list;
        if (r < 0)
                return r;
        list = NULL;
        r = parse_array(guest_value_member(body, "metrics", json_type_array), KT_BODY_METRICS_MAX,
                        sizeof(*b->metrics), parse_metric, NULL, &list, &b->n_metrics, reterr);
        b->metrics = list;
        if (r < 0)
                return r;
        r = workload ? parse_workload(workload, &b->workload, reterr) : 0;
        if (r >= 0 && b->outcome != KTSTR_ERROR && worker_ended(&b->workload))
                return bad(reterr, "a worker ended by itself and the outcome is no error");
        return r;
}

int body_report_parse(struct json_object *body, struct body_report *ret, struct kt_error *reterr)
{
        struct body_report b = {};
        int r = parse(body, &b, reterr);

        if (r < 0)
                body_report_done(&b);
        else
                *ret = b;
        return r;
}

void body_report_done(struct body_report *b)
{
        for (size_t i = 0; i < b->n_messages; i++)
                free(b->messages[i].text);
        free(b->messages);
        for (size_t i = 0; i < b->n_metrics; i++) {
                free(b->metrics[i].name);
                free(b->metrics[i].unit);
        }
        free(b->metrics);
        kt_workload_done(&b->workload);
        memset(b, 0, sizeof(*b));
}
