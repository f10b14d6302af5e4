/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "result.h"

#include "../../proto/codec.h"
#include "../cpus.h"
#include "../outcome.h"
#include "../thresholds.h"
#include "message.h"

static void add_cpus(struct json_object *o, const char *key, const struct ktstr_cpus *cpus)
{
        char text[CPUS_TEXT_MAX];

        kt_json_add_str(o, key, ktstr_cpus_format(cpus, text, sizeof(text)));
}

static struct json_object *worker_json(const struct kt_worker *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "work", w->work);
        kt_json_add_str(o, "role", w->role);
        kt_json_add_int(o, "tid", w->tid);
        kt_json_add_int(o, "work_units", (int64_t)w->work_units);
        kt_json_add_int(o, "iterations", (int64_t)w->iterations);
        kt_json_add_int(o, "cpu_ns", (int64_t)w->cpu_ns);
        kt_json_add_int(o, "wall_ns", (int64_t)w->wall_ns);
        kt_json_add_int(o, "off_cpu_ns", (int64_t)w->off_cpu_ns);
        kt_json_add_int(o, "migrations", (int64_t)w->migrations);
        add_cpus(o, "cpus_used", &w->cpus_used);
        if (w->has_cpus)
                add_cpus(o, "cpus", &w->cpus);
        kt_json_add_int(o, "max_gap_ns", (int64_t)w->max_gap_ns);
        kt_json_add_int(o, "max_gap_cpu", w->max_gap_cpu);
        kt_json_add_int(o, "max_gap_at_ns", (int64_t)w->max_gap_at_ns);
        kt_json_add_int(o, "run_delay_ns", (int64_t)w->run_delay_ns);
        kt_json_add_int(o, "run_count", (int64_t)w->run_count);
        kt_json_add_int(o, "started_ns", (int64_t)w->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)w->stopped_ns);
        kt_json_add_int(o, "paused_ns", (int64_t)w->paused_ns);
        kt_json_add_str(o, "exit", w->exit);
        return o;
}

static struct json_object *wakes_json(const struct kt_wakes *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "count", (int64_t)w->count);
        kt_json_add_int(o, "p50_ns", (int64_t)w->p50_ns);
        kt_json_add_int(o, "p99_ns", (int64_t)w->p99_ns);
        kt_json_add_int(o, "max_ns", (int64_t)w->max_ns);
        kt_json_add_double(o, "cv", w->cv);
        return o;
}

static struct json_object *pages_json(const struct kt_pages *p)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "total", (int64_t)p->total);
        kt_json_add_int(o, "local", (int64_t)p->local);
        kt_json_add_int(o, "slow", (int64_t)p->slow);
        kt_json_add_int(o, "migrated", (int64_t)p->migrated);
        return o;
}

static struct json_object *cgroup_json(const struct kt_cgroup *c)
{
        struct json_object *o = json_object_new_object(), *workers = json_object_new_array();

        kt_json_add_str(o, "name", c->name);
        kt_json_add_int(o, "scenario", c->scenario);
        kt_json_add_int(o, "started_ns", (int64_t)c->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)c->stopped_ns);
        if (c->has_cpus)
                add_cpus(o, "cpus", &c->cpus);
        kt_json_add_bool(o, "isolated", c->isolated);
        if (c->wakes.count)
                kt_json_add(o, "wakes", wakes_json(&c->wakes));
        if (c->pages.total)
                kt_json_add(o, "pages", pages_json(&c->pages));
        for (size_t i = 0; i < c->n_workers; i++)
                json_object_array_add(workers, worker_json(&c->workers[i]));
        kt_json_add(o, "workers", workers);
        return o;
}

static struct json_object *workload_json(const struct kt_workload *w)
{
        struct json_object *o = json_object_new_object(), *scenarios = json_object_new_array(),
                           *cgroups = json_object_new_array();

        kt_json_add_int(o, "started_ns", (int64_t)w->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)w->stopped_ns);
        add_cpus(o, "cpus", &w->cpus);
        for (size_t i = 0; i < w->n_scenarios; i++) {
                struct json_object *scenario = json_object_new_object();

                kt_json_add(scenario, "checks", kt_checks_json(&w->scenarios[i].checks));
                json_object_array_add(scenarios, scenario);
        }
        kt_json_add(o, "scenarios", scenarios);
        for (size_t i = 0; i < w->n_cgroups; i++)
                json_object_array_add(cgroups, cgroup_json(&w->cgroups[i]));
        kt_json_add(o, "cgroups", cgroups);
        return o;
}

static struct json_object *wrap(struct json_object *result)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "result", result);
        return o;
}

/* What the function returned is explained by what the checks told it, or has been said; else it is its own.
 */
static enum ktstr_outcome outcome_of(struct ktstr_body *b, enum ktstr_outcome returned)
{
        if ((unsigned)returned > KTSTR_ERROR)
                return ktstr_error(&b->ctx, "the test's function returned %d, which is no outcome",
                                   (int)returned);
        if (conversation_over(&b->talk) || returned <= ktstr_worse(b->said, b->checked))
                return b->said;
        switch (returned) {
        case KTSTR_SKIP:
                return ktstr_skip(&b->ctx, "the test's function says skip, and not why");
        case KTSTR_INCONCLUSIVE:
                return ktstr_inconclusive(&b->ctx, "the test's function says inconclusive, and not why");
        case KTSTR_FAIL:
                return ktstr_fail(&b->ctx, "the test's function says fail, and not why");
        default:
                return ktstr_error(&b->ctx, "the test's function says error, and not why");
        }
}

struct json_object *result_json(struct ktstr_body *b, enum ktstr_outcome returned)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "outcome", outcome_name(outcome_of(b, returned)));
        kt_json_add(o, "messages", json_object_get(b->messages));
        kt_json_add(o, "metrics", json_object_get(b->metrics));
        if (b->workload.started_ns)
                kt_json_add(o, "workload", workload_json(&b->workload));
        return wrap(o);
}

struct json_object *result_of_error(const char *text)
{
        struct json_object *o = json_object_new_object(), *messages = json_object_new_array(),
                           *message = json_object_new_object();

        kt_json_add_str(message, "outcome", outcome_name(KTSTR_ERROR));
        kt_json_add_str(message, "text", text);
        json_object_array_add(messages, message);
        kt_json_add_str(o, "outcome", outcome_name(KTSTR_ERROR));
        kt_json_add(o, "messages", messages);
        kt_json_add(o, "metrics", json_object_new_array());
        return wrap(o);
}
