/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_report.h"

#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "guest_value.h"

/* More than any guest can have: limits on what a lying one makes us allocate. */
#define CGROUPS_MAX 1024U
#define WORKERS_MAX 65536U
#define CPUS_MAX 4096U
#define TEXT_MAX (64U * 1024U)

static int parse_payload(const struct kt_frame *frame, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (kt_json_parse((const char *)frame->payload, frame->size, &o, &err) < 0)
                return guest_value_bad(reterr, kt_error_text(&err));
        if (!json_object_is_type(o, json_type_object))
                return guest_value_bad(reterr, "it is no JSON object");
        *ret = TAKE_PTR(o);
        return 0;
}

static int parse_cpus(struct json_object *array, unsigned **ret, size_t *ret_n, struct kt_error *reterr)
{
        size_t n = array ? json_object_array_length(array) : 0;
        unsigned *cpus;

        *ret = NULL;
        *ret_n = 0;
        if (!array)
                return 0;
        if (n > CPUS_MAX)
                return guest_value_bad(reterr, "too many CPUs in a list");
        cpus = calloc(n ? n : 1, sizeof(*cpus));
        if (!cpus)
                return guest_value_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *v = json_object_array_get_idx(array, i);
                int64_t cpu = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : -1;

                if (cpu < 0 || cpu >= (int64_t)CPUS_MAX) {
                        free(cpus);
                        return guest_value_bad(reterr, "a CPU number makes no sense");
                }
                cpus[i] = (unsigned)cpu;
        }
        *ret = cpus;
        *ret_n = n;
        return 0;
}

static int parse_worker(struct json_object *o, struct kt_worker *w, struct kt_error *reterr)
{
        if (!json_object_is_type(o, json_type_object))
                return guest_value_bad(reterr, "a worker is no object");
        w->tid = guest_value_number(o, "tid");
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
        w->exit = guest_value_text(o, "exit", TEXT_MAX);
        return parse_cpus(guest_value_member(o, "cpus_used", json_type_array), &w->cpus_used,
                          &w->n_cpus_used, reterr);
}

static int parse_cgroup(struct json_object *o, struct kt_cgroup *g, struct kt_error *reterr)
{
        struct json_object *workers;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return guest_value_bad(reterr, "a cgroup is no object");
        workers = guest_value_member(o, "workers", json_type_array);
        g->name = guest_value_text(o, "name", TEXT_MAX);
        if (!g->name || !workers)
                return guest_value_bad(reterr, "a cgroup has no name or no workers");
        r = parse_cpus(guest_value_member(o, "cpus", json_type_array), &g->cpus, &g->n_cpus, reterr);
        if (r < 0)
                return r;
        size_t n = json_object_array_length(workers);
        if (n > WORKERS_MAX)
                return guest_value_bad(reterr, "too many workers");
        g->workers = calloc(n ? n : 1, sizeof(*g->workers));
        if (!g->workers)
                return guest_value_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                g->n_workers = i + 1;
                r = parse_worker(json_object_array_get_idx(workers, i), &g->workers[i], reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_workload(struct json_object *o, struct kt_workload *w, struct kt_error *reterr)
{
        struct json_object *cgroups = guest_value_member(o, "cgroups", json_type_array);
        size_t n;

        if (!cgroups)
                return guest_value_bad(reterr, "the workload has no cgroups");
        n = json_object_array_length(cgroups);
        if (n > CGROUPS_MAX)
                return guest_value_bad(reterr, "too many cgroups");
        w->started_ns = guest_value_count(o, "started_ns");
        w->stopped_ns = guest_value_count(o, "stopped_ns");
        if (w->stopped_ns < w->started_ns)
                return guest_value_bad(reterr, "the workload stopped before it started");
        w->cgroups = calloc(n ? n : 1, sizeof(*w->cgroups));
        if (!w->cgroups)
                return guest_value_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                w->n_cgroups = i + 1;
                int r = parse_cgroup(json_object_array_get_idx(cgroups, i), &w->cgroups[i], reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_outcome(struct json_object *o, enum report_outcome *ret, struct kt_error *reterr)
{
        static const char *const names[] = {
                [REPORT_DONE] = "done",
                [REPORT_NOT_ATTACHED] = "not_attached",
                [REPORT_SCHED_EXITED] = "sched_exited",
                [REPORT_SCHED_EJECTED] = "sched_ejected",
                [REPORT_EXEC_DONE] = "exec_done",
                [REPORT_CANCELLED] = "cancelled",
                [REPORT_SETUP_FAILED] = "setup_failed",
        };
        struct json_object *v = guest_value_member(o, "outcome", json_type_string);

        for (size_t i = 0; v && i < KT_ARRAY_SIZE(names); i++)
                if (strcmp(json_object_get_string(v), names[i]) == 0) {
                        *ret = (enum report_outcome)i;
                        return 0;
                }
        return guest_value_bad(reterr, "its outcome is none that is known");
}

int guest_report_parse(const struct kt_frame *frame, struct guest_report *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        struct guest_report report = {.exec_code = -1, .exec_signal = -1};
        struct json_object *sched, *exec, *workload;
        int r;

        r = parse_payload(frame, &o, reterr);
        if (r < 0)
                return r;
        r = parse_outcome(o, &report.outcome, reterr);
        if (r < 0)
                return r;
        workload = guest_value_member(o, "workload", json_type_object);
        r = workload ? parse_workload(workload, &report.workload, reterr) : 0;
        if (r < 0) {
                guest_report_done(&report);
                return r;
        }
        report.error = guest_value_text(o, "error", TEXT_MAX);
        sched = guest_value_member(o, "sched", json_type_object);
        report.sched.present = sched != NULL;
        report.sched.attached = sched && guest_value_is_true(sched, "attached");
        report.sched.ops = sched ? guest_value_text(sched, "ops", TEXT_MAX) : NULL;
        report.sched.state_after = sched ? guest_value_text(sched, "state_after", TEXT_MAX) : NULL;
        report.sched.disabled_reason = sched ? guest_value_text(sched, "disabled_reason", TEXT_MAX) : NULL;
        report.sched.disabled_message = sched ? guest_value_text(sched, "disabled_message", TEXT_MAX) : NULL;
        report.sched.attach_ms = sched ? guest_value_number(sched, "attach_ms") : -1;
        report.sched.exit_code = sched ? guest_value_number(sched, "exit_code") : -1;
        report.sched.exit_signal = sched ? guest_value_number(sched, "exit_signal") : -1;
        report.sched.stop_signal = sched ? guest_value_number(sched, "stop_signal") : -1;
        exec = guest_value_member(o, "exec", json_type_object);
        report.exec_code = exec ? guest_value_number(exec, "exit_code") : -1;
        report.exec_signal = exec ? guest_value_number(exec, "exit_signal") : -1;
        *ret = report;
        return 0;
}

void guest_report_done(struct guest_report *r)
{
        free(r->error);
        free(r->sched.ops);
        free(r->sched.state_after);
        free(r->sched.disabled_reason);
        free(r->sched.disabled_message);
        kt_workload_done(&r->workload);
        memset(r, 0, sizeof(*r));
}

int guest_event_parse(const struct kt_frame *frame, struct guest_event *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        int r = parse_payload(frame, &o, reterr);

        if (r < 0)
                return r;
        *ret = (struct guest_event){.t_ns = guest_value_number(o, "t_ns"),
                                    .took_ms = guest_value_number(o, "took_ms")};
        guest_value_copy(o, "kind", ret->kind, sizeof(ret->kind));
        guest_value_copy(o, "ops", ret->ops, sizeof(ret->ops));
        guest_value_copy(o, "text", ret->text, sizeof(ret->text));
        return ret->kind[0] ? 0 : guest_value_bad(reterr, "an event has no kind");
}

int guest_hello_parse(const struct kt_frame *frame, struct guest_hello *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        int r = parse_payload(frame, &o, reterr);

        if (r < 0)
                return r;
        *ret = (struct guest_hello){.t_ns = guest_value_number(o, "t_ns")};
        guest_value_copy(o, "agent", ret->agent, sizeof(ret->agent));
        guest_value_copy(o, "kernel", ret->kernel, sizeof(ret->kernel));
        guest_value_copy(o, "mailbox_error", ret->mailbox_error, sizeof(ret->mailbox_error));
        ret->mailbox = guest_value_is_true(o, "mailbox");
        return 0;
}
