/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_json.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/cpus.h"
#include "../proto/codec.h"
#include "base64.h"
#include "body_json.h"
#include "job.h"
#include "job_confine.h"
#include "queue.h"
#include "server.h"

static void add_opt_int(struct json_object *o, const char *key, int64_t value)
{
        if (value >= 0)
                kt_json_add_int(o, key, value);
}

static int64_t clamp(uint64_t n)
{
        return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static struct json_object *guest_json(const struct guest_facts *g, bool booted)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "accel", g->accel ? g->accel : "");
        kt_json_add_str(o, "accel_reason", g->accel_reason ? g->accel_reason : "");
        kt_json_add_str(o, "kernel", g->kernel);
        kt_json_add_str(o, "release", g->release ? g->release : "");
        kt_json_add_str(o, "source", g->source);
        kt_json_add_str(o, "topology", g->topology);
        kt_json_add_int(o, "cpus", g->cpus);
        kt_json_add_int(o, "memory_mib", g->memory_mib);
        if (booted) {
                add_opt_int(o, "boot_ms", g->boot_ms);
                kt_json_add_str(o, "qemu", g->qemu);
        }
        return o;
}

static void add_log(struct json_object *o, const struct event *e)
{
        kt_json_add_str(o, "stream", event_stream_name(e->stream));
        if (kt_utf8_valid(e->data, e->data_size)) {
                kt_json_add(o, "text", json_object_new_string_len(e->data, (int)e->data_size));
        } else {
                char *text = base64_encode(e->data, e->data_size);
                kt_json_add_str(o, "base64", text);
                free(text);
        }
}

static void add_progress(struct json_object *o, const struct event *e)
{
        kt_json_add_int(o, "done", e->done);
        add_opt_int(o, "total", e->total);
        kt_json_add_str(o, "unit", e->unit);
        if (e->percent >= 0)
                kt_json_add_double(o, "percent", e->percent);
        kt_json_add_str(o, "file", e->file);
}

struct json_object *job_event_json(const struct job *job, const struct event *e)
{
        struct json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        kt_json_add_int(o, "seq", (int64_t)e->seq);
        kt_json_add_int(o, "time_us", e->time_us);
        kt_json_add_int(o, "elapsed_ms", (int64_t)e->elapsed_ms);
        kt_json_add_str(o, "kind", event_kind_name(e->kind));
        add_opt_int(o, "position", e->position);
        add_opt_int(o, "wait_ms", e->wait_ms);
        kt_json_add_str(o, "state", e->state);
        kt_json_add_str(o, "message", e->message);
        if (e->with_guest)
                kt_json_add(o, "guest", guest_json(&job->guest, e->guest_booted));
        kt_json_add_str(o, "ops", e->ops);
        kt_json_add_str(o, "step", e->step);
        if (e->kind == EVENT_PROGRESS)
                add_progress(o, e);
        if (e->kind == EVENT_LOG)
                add_log(o, e);
        if (e->kind == EVENT_VERDICT)
                kt_json_add(o, "verdict", job_verdict_json(job));
        return o;
}

static struct json_object *strings_json(char *const *strings, size_t n)
{
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < n; i++)
                json_object_array_add(a, json_object_new_string(strings[i]));
        return a;
}

static struct json_object *lines_json(const char *text)
{
        struct json_object *a = json_object_new_array();

        while (*text) {
                const size_t len = strcspn(text, "\n");

                json_object_array_add(a, json_object_new_string_len(text, (int)len));
                text += len + (text[len] == '\n');
        }
        return a;
}

static struct json_object *sched_json(const struct job *job)
{
        const struct sched_result *s = &job->verdict.sched;
        struct json_object *o = json_object_new_object();
        size_t n = 0;

        while (job->spec.sched_args && job->spec.sched_args[n])
                n++;
        kt_json_add_str(o, "name", job->spec.sched_name);
        kt_json_add(o, "args", strings_json(job->spec.sched_args, n));
        kt_json_add_str(o, "sha256", job->sched_sha256);
        kt_json_add_bool(o, "attached", s->attached);
        kt_json_add_str(o, "ops", s->ops);
        add_opt_int(o, "attach_ms", s->attach_ms);
        kt_json_add_str(o, "outcome", sched_outcome_name(s->outcome));
        add_opt_int(o, "ended_after_ms", s->ended_after_ms);
        add_opt_int(o, "exit_code", s->exit_code);
        add_opt_int(o, "exit_signal", s->exit_signal);
        kt_json_add_str(o, "exit_kind", s->exit_kind);
        kt_json_add_str(o, "exit_reason", s->exit_reason);
        kt_json_add_str(o, "exit_message", s->exit_message);
        kt_json_add_str(o, "error_text", s->error_text);
        kt_json_add_str(o, "verifier_log", s->verifier_log);
        kt_json_add_str(o, "dump", s->dump);
        return o;
}

static struct json_object *placement_json(const struct job_confinement *c)
{
        struct json_object *o = json_object_new_object(), *vcpus;
        char text[CPUS_TEXT_MAX];

        kt_json_add_bool(o, "performance_mode", c->performance);
        kt_json_add_str(o, "host_cpus", ktstr_cpus_format(&c->cpus, text, sizeof(text)));
        if (!c->performance)
                return o;
        vcpus = json_object_new_array();
        for (unsigned i = 0; i < c->placement.n_vcpus; i++)
                json_object_array_add(vcpus, json_object_new_int(c->placement.vcpus[i]));
        kt_json_add(o, "vcpus", vcpus);
        kt_json_add_int(o, "rest", c->placement.rest);
        return o;
}

static struct json_object *build_json(const struct build_facts *f)
{
        struct json_object *o = json_object_new_object(), *stages = json_object_new_array();

        for (int i = 0; i < _BUILD_STAGE_MAX; i++) {
                struct json_object *stage;

                if (f->stage_ms[i] < 0)
                        continue;
                stage = json_object_new_object();
                kt_json_add_str(stage, "stage", build_stage_name((enum build_stage)i));
                kt_json_add_int(stage, "ms", f->stage_ms[i]);
                json_object_array_add(stages, stage);
        }
        kt_json_add_str(o, "source", f->source ? f->source : "");
        kt_json_add_str(o, "profile", f->profile);
        kt_json_add_str(o, "version", f->version);
        add_opt_int(o, "objects", f->objects);
        kt_json_add(o, "stages", stages);
        kt_json_add_bool(o, "cached", f->cached);
        kt_json_add_bool(o, "existed", f->existed);
        kt_json_add_str(o, "tree", f->tree);
        kt_json_add_str(o, "why_not_cached", f->why);
        return o;
}

struct json_object *job_verdict_json(const struct job *job)
{
        const struct verdict *v = &job->verdict;
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "verdict", verdict_kind_name(v->kind));
        kt_json_add_str(o, "reason", v->reason ? v->reason : "out of memory");
        kt_json_add_str(o, "error", v->error);
        kt_json_add(o, "details", strings_json(v->details, v->n_details));
        if (job->guest.kernel)
                kt_json_add(o, "guest", guest_json(&job->guest, true));
        if (job->confinement && job->confinement->done)
                kt_json_add(o, "placement", placement_json(job->confinement));
        if (v->has_sched)
                kt_json_add(o, "scheduler", sched_json(job));
        if (job->spec.kind == JOB_BUILD) {
                if (job->build_facts.cached)
                        kt_json_add_str(o, "kernel", job->build_facts.key);
                kt_json_add(o, "build", build_json(&job->build_facts));
        }
        kt_json_add(o, "checks", checks_json(v->checks, v->n_checks));
        if (v->has_body) {
                kt_json_add(o, "messages", body_messages_json(&v->body));
                kt_json_add(o, "metrics", body_metrics_json(&v->body));
        }
        kt_json_add(o, "cgroups", body_cgroups_json(&v->body));
        kt_json_add(o, "workers", body_workers_json(&v->body));
        if (v->host.known) {
                struct json_object *host = json_object_new_object();

                kt_json_add_int(host, "window_ms", clamp(v->host.window_ms));
                kt_json_add_int(host, "run_delay_ms", clamp(v->host.run_delay_ms));
                kt_json_add_int(host, "worker_delay_ms", clamp(v->host.worker_delay_ms));
                kt_json_add_int(host, "samples", v->host.samples);
                kt_json_add(o, "host", host);
        }
        if (job->spec.kind == JOB_RUN)
                kt_json_add_int(o, "seed", job->spec.seed);
        if (v->trace)
                kt_json_add(o, "trace", lines_json(v->trace));
        kt_json_add_str(o, "trace_error", v->trace_error);
        add_opt_int(o, "exit_code", v->exit_code);
        add_opt_int(o, "exit_signal", v->exit_signal);
        kt_json_add_int(o, "elapsed_ms", clamp(v->elapsed_ms));
        kt_json_add_str(o, "result_dir", job->result_dir);
        return o;
}

struct json_object *job_summary_json(struct job *job)
{
        static const char *const kinds[] = {[JOB_RUN] = "run", [JOB_EXEC] = "exec", [JOB_BUILD] = "build"};
        struct json_object *o = json_object_new_object();
        bool ended = job->state == JOB_ENDED;
        unsigned ahead;
        int64_t wait_ms;

        kt_json_add_str(o, "job", job->id);
        kt_json_add_str(o, "state", job_state_name(job->state));
        kt_json_add_int(o, "uid", job->spec.uid);
        kt_json_add_str(o, "kind", kinds[job->spec.kind]);
        kt_json_add_str(o, "build", job->build_facts.source);
        kt_json_add_str(o, "scheduler", job->spec.sched_name);
        kt_json_add_str(o, "scenario", job->spec.scenario);
        kt_json_add_str(o, "label", job->spec.label);
        kt_json_add_str(o, "topology", job->guest.topology);
        kt_json_add_str(o, "kernel",
                        job->guest.kernel      ? job->guest.kernel
                        : job->spec.kernel     ? job->spec.kernel
                        : job->build_facts.key ? job->build_facts.key
                                               : "");
        kt_json_add_str(o, "priority", admission_priority_name(job->spec.priority));
        if (job_place(job, &ahead, &wait_ms)) {
                kt_json_add_int(o, "position", ahead);
                add_opt_int(o, "wait_ms", wait_ms);
        }
        kt_json_add_int(o, "submitted_us", job->submitted_us);
        kt_json_add_int(o, "elapsed_ms",
                        clamp((ended ? job->ended_ms : uv_now(&job->server->loop)) - job->submitted_ms));
        if (ended) {
                kt_json_add_str(o, "verdict", verdict_kind_name(job->verdict.kind));
                kt_json_add_str(o, "reason", job->verdict.reason);
        }
        return o;
}
