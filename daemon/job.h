/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * A job: what somebody asked for, what has happened to it so far (its events), and how it ended (its verdict). Apart from any connection:
 * connections watch jobs, they do not own them.
 *
 *   QUEUED ──▶ BOOTING ──▶ RUNNING ──▶ ENDED
 *     └───────────┴─────────────────────▲      (cancelled, or failed on the way)
 *
 * The verdict is set once, on the way into ENDED; the event that carries it is the last one.
 */
/* clang-format on */

#include <uv.h>

#include "../common/log.h"
#include "cpu_budget.h"
#include "event.h"
#include "forecast.h"
#include "job_spec.h"
#include "verdict.h"

struct server;
struct run;
struct job_confinement;

enum job_state {
        JOB_QUEUED,
        JOB_BOOTING,
        JOB_RUNNING,
        JOB_ENDED,
};

/* What is known about the guest of a job; strings owned, NULL until known. */
struct guest_facts {
        const char *accel, *source; /* static */
        char *accel_reason, *kernel, *release, *qemu;
        char topology[TOPOLOGY_TEXT_MAX];
        unsigned cpus, memory_mib;
        int64_t boot_ms; /* -1 until it has booted */
};

struct job {
        struct kt_list link; /* in jobs.all, oldest first */
        struct server *server;
        char id[16];
        struct job_spec spec;
        enum job_state state;
        struct admission_job place; /* from being submitted until its slot is free */
        uint64_t slot_ms;           /* for how long its vCPUs and memory counted as taken, then */
        unsigned told_ahead;        /* by its last queued event; when that was: */
        uint64_t told_ms;
        int64_t submitted_us;
        uint64_t submitted_ms; /* uv_now */
        uint64_t submitted_ns; /* uv_hrtime */
        uint64_t turn_ns;      /* uv_hrtime when it left the queue */
        uint64_t ended_ms;     /* uv_now */
        struct guest_facts guest;
        char *sched_sha256;                  /* owned; NULL until known */
        char *result_dir;                    /* owned; NULL when there is none */
        uint64_t result_bytes;               /* written to its logs */
        struct job_confinement *confinement; /* owned; NULL: its QEMU may run anywhere */
        char *skip;          /* owned; why it is to be skipped when its turn comes, or NULL */
        bool log_incomplete; /* a log could not be written whole; said once */

        struct kt_list events;
        uint64_t last_seq;
        size_t log_bytes;       /* held by log events */
        struct event *progress; /* the last one: of these no other is kept */
        struct kt_list watchers;

        struct verdict verdict; /* valid in ENDED */
        struct run *run;        /* while BOOTING or RUNNING */
        bool cancelled;

        /* of JOB_BUILD */
        struct build *build; /* until ENDED */
        struct build_facts build_facts;
        char same_as[16]; /* id of the one that built the same when this one came; "": none */
        bool unsettled;   /* ENDED for this daemon only: the next one takes it up again */
};

struct job_watcher {
        struct kt_list link;
        void (*on_event)(struct job_watcher *w);
};

struct jobs {
        struct server *server;
        struct kt_list all;
        /* running: have a slot; alive: have not ended */
        unsigned n_queued, n_running, n_alive, n_ended_kept;
        unsigned keep_all; /* above 0 none that has ended is forgotten: somebody has them in hand */
        uint64_t n_ended;
        unsigned cpus_running;
        uint64_t memory_mib_running;
        bool alone_runs;            /* the one that runs has the host to itself */
        struct cpu_budgets budgets; /* of those that run */

        /* for queue.c */
        struct admission admission;
        struct forecast_times times;
        uint64_t forecast_ms; /* when it looked ahead last; since then: */
        bool forecast_stale;  /* somebody came or left */
        uint64_t told_ms;     /* when it told those who wait; since then: */
        bool moved;           /* somebody left */
        bool pumping;
};

void jobs_init(struct jobs *jobs, struct server *server);
/* All jobs must have ended. */
void jobs_done(struct jobs *jobs);

/* A job that is in no list yet; for queue.c. Takes the spec's content on success. */
int job_new(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr);

/* One that is in no list after all. */
void job_drop(struct job *job);

struct job *jobs_find(struct jobs *jobs, const char *id);

/* Ask a job to end; idempotent. A queued one ends at once. */
void job_cancel(struct job *job);

/* End all that have not, since the daemon stops: builds are only interrupted. */
void jobs_cancel_all(struct jobs *jobs);

void job_watch(struct job *job, struct job_watcher *w);
void job_unwatch(struct job_watcher *w);

/* The first event with a number above `since`, NULL when there is none yet. */
struct event *job_event_after(struct job *job, uint64_t since);

/* A new event, numbered and timed; the caller fills the rest and calls job_publish(), which wakes the
 * watchers. NULL: out of memory. */
struct event *job_event_new(struct job *job, enum event_kind kind);
void job_publish(struct job *job, struct event *e);

/* One-line forms of the two. state and step are static; message may be NULL. */
void job_say(struct job *job, enum event_kind kind, const char *state, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* The run is over and job->verdict is filled: publish the verdict, free the slot if that has not been done.
 * For run.c. The job may be gone afterwards. */
void job_end(struct job *job);

const char *job_state_name(enum job_state s);

/* For kt_log_scope(): what is logged while something is done for this job names it and its user. */
struct kt_log_context job_log_context(const struct job *job);
