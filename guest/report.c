/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../proto/codec.h"

static void add_exit(struct json_object *o, int status)
{
        if (WIFSIGNALED(status))
                kt_json_add_int(o, "exit_signal", WTERMSIG(status));
        else
                kt_json_add_int(o, "exit_code", WEXITSTATUS(status));
}

static struct json_object *sched_json(const struct scheduler *s)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "pid", s->reported_pid);
        kt_json_add_bool(o, "attached", s->attached);
        if (s->attached)
                kt_json_add_str(o, "ops", s->ops);
        if (s->attach_ms >= 0)
                kt_json_add_int(o, "attach_ms", s->attach_ms);
        if (s->exited)
                add_exit(o, s->wait_status);
        if (s->stop_signal)
                kt_json_add_int(o, "stop_signal", s->stop_signal);
        if (s->stop_ms >= 0)
                kt_json_add_int(o, "stop_ms", s->stop_ms);
        kt_json_add_str(o, "state_after", s->state_after);
        if (s->reason[0] && s->ejected)
                kt_json_add_str(o, "disabled_reason", s->reason);
        if (s->message[0] && s->ejected)
                kt_json_add_str(o, "disabled_message", s->message);
        return o;
}

static struct json_object *cpus_json(const struct worker_counters *k)
{
        struct json_object *a = json_object_new_array();

        for (unsigned cpu = 0; cpu < WORKER_CPUS_MAX; cpu++)
                if (k->cpus_used[cpu / 64] >> (cpu % 64) & 1)
                        json_object_array_add(a, json_object_new_int64(cpu));
        return a;
}

static struct json_object *worker_json(const struct crew *c, const struct worker *w)
{
        const struct worker_counters *k = w->counters;
        struct json_object *o = json_object_new_object();
        uint64_t started = k->started_ns ? k->started_ns : c->started_ns;
        uint64_t wall = c->stopped_ns > started ? c->stopped_ns - started : 0;
        char how[32];

        kt_json_add_int(o, "tid", w->tid);
        kt_json_add_int(o, "work_units", (int64_t)k->work_units);
        kt_json_add_int(o, "iterations", (int64_t)k->iterations);
        kt_json_add_int(o, "cpu_ns", (int64_t)w->cpu_ns);
        kt_json_add_int(o, "wall_ns", (int64_t)wall);
        kt_json_add_int(o, "off_cpu_ns", (int64_t)(wall > w->cpu_ns ? wall - w->cpu_ns : 0));
        kt_json_add_int(o, "migrations", (int64_t)k->migrations);
        kt_json_add(o, "cpus_used", cpus_json(k));
        kt_json_add_int(o, "max_gap_ns", (int64_t)k->max_gap_ns);
        kt_json_add_int(o, "max_gap_cpu", k->max_gap_cpu);
        kt_json_add_int(o, "max_gap_at_ns", (int64_t)k->max_gap_at_ns);
        kt_json_add_int(o, "run_delay_ns", (int64_t)w->run_delay_ns);
        kt_json_add_int(o, "run_count", (int64_t)w->run_count);
        kt_json_add_int(o, "started_ns", (int64_t)started);
        if (w->reaped) {
                if (WIFSIGNALED(w->wait_status))
                        snprintf(how, sizeof(how), "signal %d", WTERMSIG(w->wait_status));
                else
                        snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(w->wait_status));
                kt_json_add_str(o, "exit", how);
        }
        return o;
}

static struct json_object *workload_json(const struct report *r)
{
        struct json_object *o = json_object_new_object(), *cgroups = json_object_new_array();

        kt_json_add_int(o, "started_ns", (int64_t)r->crew->started_ns);
        kt_json_add_int(o, "stopped_ns", (int64_t)r->crew->stopped_ns);
        for (unsigned g = 0; g < r->n_cgroups; g++) {
                struct json_object *cgroup = json_object_new_object(), *workers = json_object_new_array();

                for (unsigned i = 0; i < r->crew->n; i++)
                        if (r->crew->workers[i].cgroup == (int)g)
                                json_object_array_add(workers, worker_json(r->crew, &r->crew->workers[i]));
                kt_json_add_str(cgroup, "name", r->cgroups[g]);
                kt_json_add(cgroup, "workers", workers);
                json_object_array_add(cgroups, cgroup);
        }
        kt_json_add(o, "cgroups", cgroups);
        return o;
}

void report_send(struct agent *a, const struct report *r)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        const char *text;

        kt_json_add_int(o, "t_ns", (int64_t)agent_now_ns());
        kt_json_add_str(o, "outcome", r->outcome);
        kt_json_add_str(o, "error", r->error);
        if (r->sched && r->sched->started)
                kt_json_add(o, "sched", sched_json(r->sched));
        if (r->crew && r->crew->stopped_ns)
                kt_json_add(o, "workload", workload_json(r));
        if (r->exec) {
                struct json_object *exec = json_object_new_object();

                add_exit(exec, r->exec_status);
                kt_json_add(o, "exec", exec);
        }
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        if (text && strlen(text) <= KT_FRAME_PAYLOAD_MAX)
                port_send(&a->port, KT_FRAME_RESULT, text, (uint32_t)strlen(text));
        else {
                static const char too_long[] = "{\"outcome\":\"setup_failed\",\"error\":\"the report of so "
                                               "many workers is too long for one frame\"}";
                port_send(&a->port, KT_FRAME_RESULT, too_long, sizeof(too_long) - 1);
        }
}
