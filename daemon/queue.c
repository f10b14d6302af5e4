/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <errno.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "builds.h"
#include "host.h"
#include "job_confine.h"
#include "run.h"
#include "server.h"

#define TELL_INTERVAL_MS 1000U
/* Of so many places each step is told. */
#define TELL_EACH_OF 10U
/* For so long it is not worthwhile to look ahead anew just because time has passed. */
#define FORECAST_KEEPS_MS 100U

/* --- what the host has --- */

uint64_t jobs_memory_mib(const struct jobs *jobs)
{
        return jobs->server->config->guest_memory >> 20;
}

static unsigned queue_max(const struct jobs *jobs)
{
        return jobs->server->config->queue_max;
}

static struct admission_capacity capacity_of(const struct jobs *jobs)
{
        const struct server *s = jobs->server;

        return (struct admission_capacity){
                .host_cpus = host_cpus(),
                .overcommit = s->config->overcommit          ? s->config->overcommit
                              : s->accel.chosen == ACCEL_KVM ? 2
                                                             : 8,
                .memory_mib = jobs_memory_mib(jobs),
        };
}

unsigned jobs_capacity_cpus(const struct jobs *jobs)
{
        const struct admission_capacity capacity = capacity_of(jobs);

        return (unsigned)admission_cpus(&capacity);
}

static uint64_t now_ms(const struct jobs *jobs)
{
        return uv_now(&jobs->server->loop);
}

/* --- places --- */

static void look_ahead(struct jobs *jobs)
{
        struct admission_capacity capacity;

        if (!jobs->forecast_stale && now_ms(jobs) - jobs->forecast_ms < FORECAST_KEEPS_MS)
                return;
        capacity = capacity_of(jobs);
        forecast(&jobs->admission, &jobs->times, &capacity, now_ms(jobs));
        jobs->forecast_ms = now_ms(jobs);
        jobs->forecast_stale = false;
}

bool job_place(struct job *job, unsigned *ret_ahead, int64_t *ret_wait_ms)
{
        if (job->state != JOB_QUEUED)
                return false;
        if (job->spec.kind == JOB_BUILD) {
                *ret_ahead = builds_ahead(job);
                *ret_wait_ms = FORECAST_UNKNOWN;
                return true;
        }
        look_ahead(&job->server->jobs);
        *ret_ahead = job->place.ahead;
        *ret_wait_ms = job->place.wait_ms;
        return true;
}

static void tell_place(struct job *job, unsigned ahead, int64_t wait_ms)
{
        struct event *e = job_event_new(job, EVENT_QUEUED);

        if (!e)
                return;
        e->position = (int)ahead;
        e->wait_ms = wait_ms;
        job->told_ahead = ahead;
        job->told_ms = now_ms(&job->server->jobs);
        job_publish(job, e);
}

/* Why one waits that is next, on a host that is all but idle. */
static void say_who_is_alone(struct job *job)
{
        const struct server *s = job->server;

        if (s->jobs.alone_runs)
                job_say(job, EVENT_NOTE, NULL,
                        "waits for a job in performance mode, which has the host to itself");
        else if (job->place.alone && (s->jobs.n_running > 0 || s->builds.running))
                job_say(job, EVENT_NOTE, NULL,
                        "performance mode: waits until no other job runs, nor a build of a kernel");
}

static bool is_news(unsigned told, unsigned ahead)
{
        return ahead < told && (ahead < TELL_EACH_OF || ahead <= told - told / 4);
}

/* Those that wait, if somebody listens and something has moved. */
static void tell_places(struct jobs *jobs)
{
        const uint64_t now = now_ms(jobs);

        if (!jobs->moved || now - jobs->told_ms < TELL_INTERVAL_MS)
                return;
        jobs->moved = false;
        if (jobs->n_queued == 0)
                return;
        jobs->told_ms = now;
        look_ahead(jobs);
        kt_list_for_each (it, &jobs->all) {
                struct job *job = kt_list_entry(it, struct job, link);

                if (job->state == JOB_QUEUED && job->spec.kind != JOB_BUILD &&
                    !kt_list_empty(&job->watchers) && now - job->told_ms >= TELL_INTERVAL_MS &&
                    is_news(job->told_ahead, job->place.ahead))
                        tell_place(job, job->place.ahead, job->place.wait_ms);
        }
}

/* Whatever there is to do when a job came, started, ended, or gave back its slot. */
static void jobs_changed(struct jobs *jobs)
{
        tell_places(jobs);
        server_changed(jobs->server);
}

bool jobs_want_no_build(const struct jobs *jobs)
{
        return jobs->alone_runs || jobs->admission.first_is_alone;
}

/* --- coming, starting, leaving --- */

static struct job *next_job(struct jobs *jobs)
{
        const struct admission_load running = {.jobs = jobs->n_running,
                                               .cpus = jobs->cpus_running,
                                               .memory_mib = jobs->memory_mib_running,
                                               .alone = jobs->alone_runs,
                                               .building = jobs->server->builds.running};
        struct admission_capacity capacity;
        struct admission_job *place;

        if (!jobs->server->accel_known || jobs->server->stopping || jobs->n_queued == 0) {
                jobs->admission.first_is_alone = false;
                return NULL;
        }
        capacity = capacity_of(jobs);
        place = admission_next(&jobs->admission, &capacity, &running, now_ms(jobs));
        return place ? kt_container_of(place, struct job, place) : NULL;
}

/* What it runs, for a line of log. */
static const char *job_what(const struct job *job)
{
        if (job->spec.kind == JOB_EXEC)
                return "a command";
        return job->spec.sched_name ? job->spec.sched_name : "EEVDF";
}

static void enqueue(struct job *job, struct admission_user *user)
{
        struct jobs *jobs = &job->server->jobs;

        /* One that is to be skipped gets no guest. */
        job->place = (struct admission_job){.user = user,
                                            .cpus = job->skip ? 0 : job->guest.cpus,
                                            .memory_mib = job->skip ? 0 : job->spec.memory_mib,
                                            .priority = job->spec.priority,
                                            .alone = job->spec.performance_mode && !job->skip,
                                            .command = job->spec.kind == JOB_EXEC,
                                            .duration_ms = job->spec.duration_ms,
                                            .timeout_ms = job->spec.timeout_ms};
        admission_add(&jobs->admission, &job->place);
        kt_list_append(&jobs->all, &job->link);
        jobs->n_queued++;
        jobs->n_alive++;
        jobs->forecast_stale = true;
}

int queue_check_memory(const struct jobs *jobs, unsigned memory_mib, struct kt_error *reterr)
{
        const uint64_t budget = jobs_memory_mib(jobs);

        if (memory_mib <= budget)
                return 0;
        return kt_error_set_field(reterr, -E2BIG, KT_E_NEVER_FITS, "memory_mib",
                                  "the guest wants %u MiB, guests have at most %llu MiB here "
                                  "(MemoryMax= in ktstrd.conf); "
                                  "ask for less with --memory or a smaller --topology",
                                  memory_mib, (unsigned long long)budget);
}

int jobs_submit(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr)
{
        struct admission_user *user;
        unsigned ahead;
        int64_t wait_ms;
        struct job *job;
        int r;

        r = queue_check_memory(jobs, spec->memory_mib, reterr);
        if (r < 0)
                return r;
        if (jobs->n_queued >= queue_max(jobs))
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY, "%u jobs are queued already; try again later",
                                    jobs->n_queued);
        user = admission_user_of(&jobs->admission, spec->uid);
        if (!user)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = job_new(jobs, spec, &job, reterr);
        if (r < 0)
                return r;
        r = job_confine_plan(job, reterr);
        if (r < 0) {
                job_drop(job);
                return r;
        }

        enqueue(job, user);
        kt_log_scope(job_log_context(job));
        kt_log_info("submitted: %s on %s", job_what(job), job->guest.topology);
        if (next_job(jobs) == job) {
                tell_place(job, 0, 0);
        } else if (job_place(job, &ahead, &wait_ms)) {
                tell_place(job, ahead, wait_ms);
                say_who_is_alone(job);
        }
        *ret = job;
        return 0;
}

void jobs_pump(struct jobs *jobs)
{
        struct job *job;

        /* One that cannot even be started ends, and its end comes here: the loop goes on by itself. */
        if (jobs->pumping)
                return;
        jobs->pumping = true;
        while ((job = next_job(jobs))) {
                kt_log_scope(job_log_context(job));
                admission_start(&jobs->admission, &job->place, now_ms(jobs));
                job->state = JOB_BOOTING;
                jobs->n_queued--;
                jobs->n_running++;
                jobs->cpus_running += job->place.cpus;
                jobs->memory_mib_running += job->place.memory_mib;
                if (job->place.alone) {
                        jobs->alone_runs = true;
                        pool_quiet(jobs->server->pool, true);
                }
                jobs->forecast_stale = jobs->moved = true;
                job->turn_ns = uv_hrtime();
                metrics_queue_wait(&jobs->server->metrics, metrics_seconds_since(job->submitted_ns));
                run_start(job);
        }
        jobs->pumping = false;
        jobs_changed(jobs);
}

static void free_slot(struct job *job)
{
        struct jobs *jobs = &job->server->jobs;

        jobs->n_running--;
        jobs->cpus_running -= job->place.cpus;
        jobs->memory_mib_running -= job->place.memory_mib;
        if (job->place.alone)
                jobs->alone_runs = false;
        job->slot_ms = now_ms(jobs) - job->place.started_ms;
        admission_remove(&jobs->admission, &job->place);
        jobs->forecast_stale = jobs->moved = true;
}

/* Has it gone all its way, so that the next ones can be expected to take as long? */
static bool is_typical(const struct job *job)
{
        switch (job->verdict.kind) {
        case VERDICT_PASS:
        case VERDICT_FAIL:
        case VERDICT_INCONCLUSIVE:
        case VERDICT_SKIP:
                return job->state == JOB_RUNNING;
        default:
                return false;
        }
}

void queue_leave(struct job *job)
{
        struct jobs *jobs = &job->server->jobs;

        if (job->state == JOB_QUEUED) {
                jobs->n_queued--;
                admission_remove(&jobs->admission, &job->place);
                jobs->forecast_stale = jobs->moved = true;
                return;
        }
        free_slot(job);
        if (is_typical(job))
                forecast_learn(&jobs->times, &job->place, job->slot_ms);
}
