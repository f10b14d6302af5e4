/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body_json.h"

#include "../lib/outcome.h"
#include "../proto/codec.h"
#include "../proto/json_scan.h"

/* Half of the values that a message may have are for workers. */
#define WORKER_VALUES 20U
#define WORKERS_VALUES_MAX (KT_JSON_VALUES_MAX / 2)

static int64_t clamp(uint64_t n)
{
        return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

struct json_object *checks_json(const struct kt_check_result *checks, size_t n)
{
        static const char *const outcomes[] = {[KT_PASS] = "pass",
                                               [KT_SKIP] = "skip",
                                               [KT_INCONCLUSIVE] = "inconclusive",
                                               [KT_FAIL] = "fail"};
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < n; i++) {
                const struct kt_check_result *c = &checks[i];
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", c->name);
                kt_json_add_str(o, "verdict", outcomes[c->outcome]);
                kt_json_add_str(o, "text", c->text);
                if (c->has_value) {
                        kt_json_add_double(o, "value", c->value);
                        kt_json_add_double(o, "threshold", c->threshold);
                        kt_json_add_str(o, "unit", *c->unit ? c->unit : NULL);
                }
                json_object_array_add(a, o);
        }
        return a;
}

struct json_object *body_messages_json(const struct body_report *b)
{
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < b->n_messages; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "outcome", outcome_name(b->messages[i].outcome));
                kt_json_add_str(o, "text", b->messages[i].text);
                json_object_array_add(a, o);
        }
        return a;
}

struct json_object *body_metrics_json(const struct body_report *b)
{
        static const char *const better[] = {
                [KTSTR_POLARITY_UNSET] = NULL, [KTSTR_LOWER] = "lower", [KTSTR_HIGHER] = "higher"};
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < b->n_metrics; i++) {
                const struct body_metric *m = &b->metrics[i];
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", m->name);
                kt_json_add_double(o, "value", m->value);
                kt_json_add_str(o, "unit", m->unit);
                kt_json_add_str(o, "better", better[m->better]);
                json_object_array_add(a, o);
        }
        return a;
}

static struct json_object *cgroup_json(const struct kt_cgroup *g)
{
        struct json_object *o = json_object_new_object();
        uint64_t gap = 0, migrations = 0, iterations = 0;

        for (size_t i = 0; i < g->n_workers; i++) {
                gap = g->workers[i].max_gap_ns > gap ? g->workers[i].max_gap_ns : gap;
                migrations += g->workers[i].migrations;
                iterations += g->workers[i].iterations;
        }
        kt_json_add_str(o, "name", g->name);
        kt_json_add_int(o, "workers", (int64_t)g->n_workers);
        kt_json_add_int(o, "cpus", kt_cgroup_cpus_used(g));
        kt_json_add_double(o, "spread_pct", kt_cgroup_spread_pct(g));
        kt_json_add_int(o, "gap_ms", clamp(gap / 1000000));
        kt_json_add_int(o, "migrations", clamp(migrations));
        kt_json_add_int(o, "iterations", clamp(iterations));
        if (g->wakes.count > 0) {
                kt_json_add_int(o, "wakes", clamp(g->wakes.count));
                kt_json_add_int(o, "wake_p50_ns", clamp(g->wakes.p50_ns));
                kt_json_add_int(o, "wake_p99_ns", clamp(g->wakes.p99_ns));
        }
        return o;
}

struct json_object *body_cgroups_json(const struct body_report *b)
{
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < b->workload.n_cgroups; i++)
                json_object_array_add(a, cgroup_json(&b->workload.cgroups[i]));
        return a;
}

static struct json_object *worker_json(const struct kt_cgroup *g, const struct kt_worker *w)
{
        struct json_object *o = json_object_new_object(), *cpus = json_object_new_array();

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                if (ktstr_cpus_has(&w->cpus_used, cpu))
                        json_object_array_add(cpus, json_object_new_int64(cpu));
        kt_json_add_str(o, "cgroup", g->name);
        kt_json_add_int(o, "tid", w->tid);
        kt_json_add_str(o, "work", w->work);
        kt_json_add_str(o, "role", w->role);
        kt_json_add_int(o, "work_units", clamp(w->work_units));
        kt_json_add_int(o, "iterations", clamp(w->iterations));
        kt_json_add_int(o, "cpu_ns", clamp(w->cpu_ns));
        kt_json_add_int(o, "wall_ns", clamp(w->wall_ns));
        kt_json_add_int(o, "off_cpu_ns", clamp(w->off_cpu_ns));
        kt_json_add_int(o, "migrations", clamp(w->migrations));
        kt_json_add(o, "cpus_used", cpus);
        kt_json_add_int(o, "max_gap_ms", clamp(w->max_gap_ns / 1000000));
        kt_json_add_int(o, "max_gap_cpu", w->max_gap_cpu);
        kt_json_add_int(o, "max_gap_at_ms", clamp(w->max_gap_at_ns / 1000000));
        kt_json_add_int(o, "run_delay_ns", clamp(w->run_delay_ns));
        kt_json_add_int(o, "run_count", clamp(w->run_count));
        kt_json_add_str(o, "exit", w->exit);
        return o;
}

size_t body_workers_listed(const struct body_report *b, size_t *ret_all)
{
        size_t listed = 0, values = 0;

        *ret_all = 0;
        for (size_t i = 0; i < b->workload.n_cgroups; i++) {
                const struct kt_cgroup *g = &b->workload.cgroups[i];

                for (size_t j = 0; j < g->n_workers; j++) {
                        values += WORKER_VALUES + ktstr_cpus_count(&g->workers[j].cpus_used);
                        listed += values <= WORKERS_VALUES_MAX;
                }
                *ret_all += g->n_workers;
        }
        return listed;
}

struct json_object *body_workers_json(const struct body_report *b)
{
        struct json_object *a = json_object_new_array();
        size_t all, left = body_workers_listed(b, &all);

        for (size_t i = 0; i < b->workload.n_cgroups; i++) {
                const struct kt_cgroup *g = &b->workload.cgroups[i];

                for (size_t j = 0; j < g->n_workers && left > 0; j++, left--)
                        json_object_array_add(a, worker_json(g, &g->workers[j]));
        }
        return a;
}
