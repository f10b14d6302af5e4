/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <errno.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "host.h"
#include "run.h"
#include "server.h"

#define JOBS_QUEUED_MAX 10000U

/* What it runs, for a line of log. */
static const char *job_what(const struct job *job)
{
        if (job->spec.kind == JOB_EXEC)
                return "a command";
        return job->spec.sched_name ? job->spec.sched_name : "EEVDF";
}

int jobs_submit(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr)
{
        uint64_t budget = host_memory_budget_mib();
        struct job *job;
        int r;

        if (spec->memory_mib > budget)
                return kt_error_set_field(reterr, -E2BIG, KT_E_NEVER_FITS, "memory_mib",
                                          "the guest wants %u MiB, this host gives guests at most %llu MiB "
                                          "(80 %% of its memory); "
                                          "ask for less with --memory or a smaller --topology",
                                          spec->memory_mib, (unsigned long long)budget);
        if (jobs->n_queued >= JOBS_QUEUED_MAX)
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY, "%u jobs are queued already; try again later",
                                    jobs->n_queued);
        r = job_new(jobs, spec, &job, reterr);
        if (r < 0)
                return r;

        int ahead = (int)jobs->n_queued;
        kt_list_append(&jobs->all, &job->link);
        jobs->n_queued++;
        kt_log_scope(job_log_context(job));
        kt_log_info("submitted: %s on %s", job_what(job), job->guest.topology);
        struct event *e = job_event_new(job, EVENT_QUEUED);
        if (e) {
                e->position = ahead;
                job_publish(job, e);
        }
        *ret = job;
        return 0;
}

static bool fits(const struct jobs *jobs, const struct job *job)
{
        const struct server *s = jobs->server;
        unsigned overcommit = s->config->overcommit          ? s->config->overcommit
                              : s->accel.chosen == ACCEL_KVM ? 2
                                                             : 8;

        if (jobs->n_running == 0)
                return true;
        return jobs->cpus_running + job->guest.cpus <= overcommit * host_cpus() &&
               jobs->memory_mib_running + job->spec.memory_mib <= host_memory_budget_mib();
}

void jobs_pump(struct jobs *jobs)
{
        if (!jobs->server->accel_known)
                return;
        kt_list_for_each_safe (it, &jobs->all) {
                struct job *job = kt_list_entry(it, struct job, link);

                if (job->state != JOB_QUEUED)
                        continue;
                if (!fits(jobs, job))
                        break;
                kt_log_scope(job_log_context(job));
                job->state = JOB_BOOTING;
                jobs->n_queued--;
                jobs->n_running++;
                jobs->cpus_running += job->guest.cpus;
                jobs->memory_mib_running += job->spec.memory_mib;
                run_start(job);
        }
        server_changed(jobs->server);
}
