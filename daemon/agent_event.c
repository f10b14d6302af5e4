/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent_event.h"

#include <string.h>
#include <time.h>

#include "../common/fsutil.h"
#include "job.h"
#include "judge.h"
#include "server.h"

/* Notes are among the verdict's details too, as long as they are few. */
#define NOTES_MAX 32U

static uint64_t host_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static const char *name_of(const struct job *job)
{
        return job->spec.sched_name ? job->spec.sched_name : "EEVDF";
}

static void on_started(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        job_say(job, EVENT_SCHEDULER, "starting", "%s starts", name_of(job));
}

static void on_attached(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        struct event *event = job_event_new(job, EVENT_SCHEDULER);

        seen->attached = true;
        if (!event)
                return;
        event->state = "attached";
        event->ops = strdup(e->ops);
        event->message =
                kt_format("%s attached as '%s' after %lld ms", name_of(job), e->ops, (long long)e->took_ms);
        job_publish(job, event);
}

static void on_stopping(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        job_say(job, EVENT_SCHEDULER, "stopping", "%s is told to stop", name_of(job));
}

/* state is static. Takes message. */
static void say_step(struct job *job, const char *state, const char *step, char *message)
{
        struct event *event = job_event_new(job, EVENT_STEP);

        if (!event) {
                free(message);
                return;
        }
        event->state = state;
        event->step = strdup(step);
        event->message = message;
        job_publish(job, event);
}

static void on_workload_started(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        seen->workload_ms = uv_now(&job->server->loop);
        if (e->t_ns > 0)
                delay_log_tie(&seen->delays, host_ns(), (uint64_t)e->t_ns);
        say_step(job, "begin", "workload",
                 kt_format("workload %s for %llu ms", job_spec_title(&job->spec),
                           (unsigned long long)job->spec.duration_ms));
}

static void on_workload_stopped(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        seen->workload_end_ns = uv_hrtime();
        say_step(job, "end", "workload", kt_format("workload %s ended", job_spec_title(&job->spec)));
}

static void on_step(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        bool begin = strcmp(e->state, "begin") == 0;

        if (begin || strcmp(e->state, "end") == 0)
                say_step(job, begin ? "begin" : "end", e->step,
                         kt_format(begin ? "%s begins" : "%s ended", e->step));
}

static void on_note(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        job_say(job, EVENT_NOTE, NULL, "%s", e->text);
        if (seen->n_notes++ < NOTES_MAX)
                verdict_add_detail(&job->verdict, "%s", e->text);
}

void agent_event(struct job *job, struct evidence *seen, const struct guest_event *e)
{
        static const struct {
                const char *kind;
                void (*handle)(struct job *job, struct evidence *seen, const struct guest_event *e);
        } kinds[] = {
                {"sched_started", on_started},
                {"sched_attached", on_attached},
                {"workload_started", on_workload_started},
                {"workload_stopped", on_workload_stopped},
                {"step", on_step},
                {"sched_stopping", on_stopping},
                {"note", on_note},
        };

        if (seen->n_events == AGENT_EVENTS_MAX)
                job_say(job, EVENT_WARNING, NULL, "of what the test tells further on nothing is shown");
        if (seen->n_events++ >= AGENT_EVENTS_MAX)
                return;
        for (size_t i = 0; i < KT_ARRAY_SIZE(kinds); i++)
                if (strcmp(e->kind, kinds[i].kind) == 0)
                        kinds[i].handle(job, seen, e);
}
