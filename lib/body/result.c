/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "result.h"

#include <stdio.h>
#include <sys/wait.h>

#include "../../proto/codec.h"
#include "message.h"

static struct json_object *cpus_json(const struct ktstr_cpus *set)
{
        struct json_object *a = json_object_new_array();

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                if (ktstr_cpus_has(set, cpu))
                        json_object_array_add(a, json_object_new_int64(cpu));
        return a;
}

static struct ktstr_cpus cpus_used(const struct worker_counters *k)
{
        struct ktstr_cpus set;

        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                set.bits[i] = k->cpus_used[i];
        return set;
}

/* How one that ended by itself did. */
static void add_exit(struct json_object *o, const struct crew_worker *w)
{
        char how[192];

        if (!w->ended)
                return;
        if (w->counters->died[0])
                snprintf(how, sizeof(how), "%.*s", (int)sizeof(w->counters->died), w->counters->died);
        else if (WIFSIGNALED(w->wait_status))
                snprintf(how, sizeof(how), "signal %d", WTERMSIG(w->wait_status));
        else
                snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(w->wait_status));
        kt_json_add_str(o, "exit", how);
}

static struct json_object *worker_json(const struct crew *c, const struct crew_worker *w)
{
        const struct worker_counters *k = w->counters;
        struct json_object *o = json_object_new_object();
        struct ktstr_cpus used = cpus_used(k);
        uint64_t started = k->started_ns ? k->started_ns : c->started_ns;
        uint64_t wall = c->stopped_ns > started ? c->stopped_ns - started : 0;

        kt_json_add_str(o, "work", c->type->name);
        kt_json_add_int(o, "tid", w->tid);
        kt_json_add_int(o, "work_units", (int64_t)k->work_units);
        kt_json_add_int(o, "iterations", (int64_t)k->iterations);
        kt_json_add_int(o, "cpu_ns", (int64_t)w->cpu_ns);
        kt_json_add_int(o, "wall_ns", (int64_t)wall);
        kt_json_add_int(o, "off_cpu_ns", (int64_t)(wall > w->cpu_ns ? wall - w->cpu_ns : 0));
        kt_json_add_int(o, "migrations", (int64_t)k->migrations);
        kt_json_add(o, "cpus_used", cpus_json(&used));
        kt_json_add_int(o, "max_gap_ns", (int64_t)k->max_gap_ns);
        kt_json_add_int(o, "max_gap_cpu", k->max_gap_cpu);
        kt_json_add_int(o, "max_gap_at_ns", (int64_t)k->max_gap_at_ns);
        kt_json_add_int(o, "run_delay_ns", (int64_t)w->run_delay_ns);
        kt_json_add_int(o, "run_count", (int64_t)w->run_count);
        kt_json_add_int(o, "started_ns", (int64_t)started);
        kt_json_add_int(o, "stopped_ns", (int64_t)c->stopped_ns);
        kt_json_add_int(o, "paused_ns", (int64_t)c->paused_ns);
        add_exit(o, w);
        return o;
}

static struct json_object *group_json(const struct group *g)
{
        struct json_object *o = json_object_new_object(), *workers = json_object_new_array();

        kt_json_add_str(o, "name", g->name);
        kt_json_add_int(o, "scenario", g->scenario);
        kt_json_add_int(o, "started_ns", (int64_t)g->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)g->stopped_ns);
        if (g->has_cpus)
                kt_json_add(o, "cpus", cpus_json(&g->cpus));
        kt_json_add_bool(o, "isolated", g->has_cpus && g->isolated);
        kt_list_for_each (it, &g->crews) {
                const struct crew *c = &kt_list_entry(it, struct group_crew, link)->crew;

                for (unsigned i = 0; c->stopped_ns && i < c->n; i++)
                        json_object_array_add(workers, worker_json(c, &c->workers[i]));
        }
        kt_json_add(o, "workers", workers);
        return o;
}

static struct json_object *workload_json(struct ktstr_body *b)
{
        struct json_object *o = json_object_new_object(), *groups = json_object_new_array();

        kt_json_add_int(o, "started_ns", (int64_t)b->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)b->stopped_ns);
        kt_json_add(o, "scenarios", json_object_get(b->scenarios));
        kt_list_for_each (it, &b->groups)
                json_object_array_add(groups, group_json(kt_list_entry(it, struct group, link)));
        kt_json_add(o, "cgroups", groups);
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
        if (conversation_over(&b->talk) || returned <= ktstr_worse(b->said, b->checked))
                return b->said;
        if ((unsigned)returned > KTSTR_ERROR)
                return ktstr_error(&b->ctx, "the test's function returned %d, which is no outcome",
                                   (int)returned);
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
        if (b->started_ns)
                kt_json_add(o, "workload", workload_json(b));
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
