/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "builds.h"
#include "queue.h"
#include "results.h"
#include "run.h"
#include "server.h"

#define JOBS_KEPT_MAX 256U
/* Log text held in memory for those who attach late; the whole is in the job's result folder. */
#define JOB_LOG_BYTES_MAX (4U * 1024U * 1024U)

const char *job_state_name(enum job_state s)
{
        static const char *const names[] = {[JOB_QUEUED] = "queued",
                                            [JOB_BOOTING] = "booting",
                                            [JOB_RUNNING] = "running",
                                            [JOB_ENDED] = "ended"};

        return names[s];
}

void jobs_init(struct jobs *jobs, struct server *server)
{
        *jobs = (struct jobs){.server = server};
        kt_list_init(&jobs->all);
        admission_init(&jobs->admission);
}

struct kt_log_context job_log_context(const struct job *job)
{
        struct kt_log_context context = {.uid = (long)job->spec.uid};

        snprintf(context.job, sizeof(context.job), "%s", job->id);
        return context;
}

static void job_free(struct job *job)
{
        assert(job->state == JOB_ENDED && kt_list_empty(&job->watchers));
        kt_list_remove(&job->link);
        kt_list_for_each_safe (it, &job->events)
                event_free(kt_list_entry(it, struct event, link));
        job_spec_done(&job->spec);
        verdict_done(&job->verdict);
        free(job->guest.accel_reason);
        free(job->guest.kernel);
        free(job->guest.release);
        free(job->guest.qemu);
        free(job->sched_sha256);
        free(job->result_dir);
        free(job->confinement);
        free(job->skip);
        build_facts_done(&job->build_facts);
        free(job);
}

void job_drop(struct job *job)
{
        job->state = JOB_ENDED;
        job_free(job);
}

void jobs_done(struct jobs *jobs)
{
        kt_list_for_each_safe (it, &jobs->all)
                job_free(kt_list_entry(it, struct job, link));
        admission_done(&jobs->admission);
}

struct job *jobs_find(struct jobs *jobs, const char *id)
{
        kt_list_for_each (it, &jobs->all) {
                struct job *job = kt_list_entry(it, struct job, link);
                if (strcmp(job->id, id) == 0)
                        return job;
        }
        return NULL;
}

/* Eight letters and digits, the first a letter; short enough to type, random enough to name a result folder
 * for good. */
static int make_id(struct jobs *jobs, char ret[16])
{
        static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

        for (int attempt = 0; attempt < 16; attempt++) {
                unsigned char bytes[8];

                if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                        return -EIO;
                for (int i = 0; i < 8; i++)
                        ret[i] = alphabet[bytes[i] % (i == 0 ? 24 : 32)];
                ret[8] = '\0';
                if (!jobs_find(jobs, ret))
                        return 0;
        }
        return -EEXIST;
}

static int64_t realtime_us(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int job_new(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr)
{
        struct job *job = calloc(1, sizeof(*job));

        if (!job || make_id(jobs, job->id) < 0) {
                free(job);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        kt_list_init(&job->link);
        kt_list_init(&job->events);
        kt_list_init(&job->watchers);
        job->server = jobs->server;
        job->spec = *spec;
        memset(spec, 0, sizeof(*spec));
        job->submitted_us = realtime_us();
        uv_update_time(&jobs->server->loop);
        job->submitted_ms = uv_now(&jobs->server->loop);
        job->submitted_ns = uv_hrtime();
        job->guest.boot_ms = -1;
        job->guest.cpus = topology_cpus(&job->spec.topology);
        job->guest.memory_mib = job->spec.memory_mib;
        if (job->spec.kind != JOB_BUILD)
                topology_format(&job->spec.topology, job->guest.topology);
        verdict_init(&job->verdict);
        *ret = job;
        return 0;
}

void job_cancel(struct job *job)
{
        if (job->state == JOB_ENDED || job->cancelled)
                return;
        job->cancelled = true;
        if (job->spec.kind == JOB_BUILD)
                build_cancel(job->build);
        else if (job->state == JOB_QUEUED) {
                verdict_set(&job->verdict, VERDICT_CANCELLED, "cancelled before it started");
                job_end(job);
        } else
                run_cancel(job->run);
}

void job_watch(struct job *job, struct job_watcher *w)
{
        kt_list_append(&job->watchers, &w->link);
}

void job_unwatch(struct job_watcher *w)
{
        kt_list_remove(&w->link);
}

struct event *job_event_after(struct job *job, uint64_t since)
{
        /* Watchers mostly want the newest: look from the end. */
        struct event *found = NULL;

        for (struct kt_list *it = job->events.prev; it != &job->events; it = it->prev) {
                struct event *e = kt_list_entry(it, struct event, link);
                if (e->seq <= since)
                        break;
                found = e;
        }
        return found;
}

struct event *job_event_new(struct job *job, enum event_kind kind)
{
        struct event *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        kt_list_init(&e->link);
        e->kind = kind;
        e->position = -1;
        e->wait_ms = -1;
        e->percent = -1;
        e->time_us = realtime_us();
        uv_update_time(&job->server->loop);
        e->elapsed_ms = uv_now(&job->server->loop) - job->submitted_ms;
        return e;
}

/* What a log event takes of the memory that a job's may have; of a short line it is mostly itself. */
static size_t log_cost(const struct event *e)
{
        return e->kind == EVENT_LOG ? e->data_size + sizeof(*e) : 0;
}

static void drop_old_logs(struct job *job)
{
        kt_list_for_each_safe (it, &job->events) {
                struct event *e = kt_list_entry(it, struct event, link);

                if (job->log_bytes <= JOB_LOG_BYTES_MAX)
                        return;
                if (e->kind != EVENT_LOG)
                        continue;
                job->log_bytes -= log_cost(e);
                event_free(e);
        }
}

void job_publish(struct job *job, struct event *e)
{
        e->seq = ++job->last_seq;
        kt_list_append(&job->events, &e->link);
        job->log_bytes += log_cost(e);
        if (e->kind == EVENT_PROGRESS) {
                event_free(job->progress);
                job->progress = e;
        }
        kt_list_for_each_safe (it, &job->watchers) {
                struct job_watcher *w = kt_list_entry(it, struct job_watcher, link);
                w->on_event(w);
        }
        drop_old_logs(job);
}

void job_say(struct job *job, enum event_kind kind, const char *state, const char *fmt, ...)
{
        struct event *e = job_event_new(job, kind);
        va_list ap;

        if (!e)
                return;
        e->state = state;
        va_start(ap, fmt);
        if (vasprintf(&e->message, fmt, ap) < 0)
                e->message = NULL;
        va_end(ap);
        e->with_guest = kind == EVENT_GUEST && job->guest.kernel;
        e->guest_booted = job->guest.boot_ms >= 0;
        job_publish(job, e);
}

/* Ended jobs stay to be shown, the oldest go. One that is still watched stays until it is not. */
static void forget_old(struct jobs *jobs)
{
        kt_list_for_each_safe (it, &jobs->all) {
                struct job *job = kt_list_entry(it, struct job, link);

                if (jobs->n_ended_kept <= JOBS_KEPT_MAX || jobs->keep_all)
                        return;
                if (job->state == JOB_ENDED && kt_list_empty(&job->watchers)) {
                        jobs->n_ended_kept--;
                        job_free(job);
                }
        }
}

void job_end(struct job *job)
{
        struct jobs *jobs = &job->server->jobs;
        struct event *e;

        assert(job->state != JOB_ENDED);
        if (job->spec.kind == JOB_BUILD)
                builds_leave(job);
        else
                queue_leave(job);
        jobs->n_alive--;
        job->state = JOB_ENDED;
        job->run = NULL;
        /* Who is told may end others on the spot: that must not take this one away. */
        jobs->keep_all++;
        jobs->n_ended++;
        jobs->n_ended_kept++;
        metrics_job_ended(&jobs->server->metrics, job->verdict.kind);
        uv_update_time(&job->server->loop);
        job->ended_ms = uv_now(&job->server->loop);
        job->verdict.elapsed_ms = job->turn_ns ? (uv_hrtime() - job->turn_ns) / 1000000 : 0;
        kt_log_scope(job_log_context(job));
        kt_log_info("%s: %s", verdict_kind_name(job->verdict.kind),
                    job->verdict.reason ? job->verdict.reason : "");
        if (!job->unsettled)
                results_save(job);
        e = job_event_new(job, EVENT_VERDICT);
        if (e)
                job_publish(job, e);
        jobs->keep_all--;
        forget_old(jobs); /* the job may be gone by now */
        jobs_pump(jobs);
        builds_pump(jobs->server);
}

void jobs_cancel_all(struct jobs *jobs)
{
        jobs->keep_all++;
        kt_list_for_each_safe (it, &jobs->all) {
                struct job *job = kt_list_entry(it, struct job, link);

                if (job->spec.kind != JOB_BUILD)
                        job_cancel(job);
                else if (job->state != JOB_ENDED)
                        build_interrupt(job->build);
        }
        jobs->keep_all--;
        forget_old(jobs);
}
