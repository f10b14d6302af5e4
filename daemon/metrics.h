/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the daemon counts and how long things took, since it started, and its exposition. Embedded in struct
 * server; for the loop's thread alone, so nothing is locked. Nothing but metrics_text() allocates.
 */

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"
#include "verdict.h"

struct server;

/* Where a job's guest came from. */
enum metrics_source {
        METRICS_COLD,  /* booted for this job */
        METRICS_CLONE, /* cloned from a template for this job */
        METRICS_POOL,  /* ready in the pool */
        _METRICS_SOURCE_MAX,
};

#define METRICS_BUCKETS_MAX 16

struct metrics_histogram {
        uint64_t counts[METRICS_BUCKETS_MAX + 1]; /* of each bucket alone; after them, what is above all */
        double sum;                               /* seconds */
};

struct metrics {
        double start_time; /* Unix time in seconds */
        struct metrics_histogram handout[_METRICS_SOURCE_MAX];
        struct metrics_histogram boot[METRICS_CLONE + 1];
        struct metrics_histogram queue_wait;
        uint64_t jobs_ended[VERDICT_ERROR + 1];
        uint64_t pool_hits, pool_misses;
        uint64_t templates_built, templates_failed;
        uint64_t guests_failed[GUEST_END_PROTOCOL + 1];
};

/* What the exposition says about the pool. */
struct metrics_pool {
        unsigned idle, building;
        uint64_t memory_bytes; /* held by the idle guests */
};

void metrics_init(struct metrics *m);

/* Seconds from a uv_hrtime() to now. */
double metrics_seconds_since(uint64_t since_ns);

/* Seconds from a job's turn, that is when it leaves the queue, to the job running in the guest. */
void metrics_handout(struct metrics *m, enum metrics_source source, double seconds);

/* METRICS_COLD: seconds from the start of QEMU to the agent's first word. METRICS_CLONE: from the start of
 * QEMU to a guest that is ready. The pool boots nothing else. */
void metrics_boot(struct metrics *m, enum metrics_source source, double seconds);

/* Seconds from a job's submission to its turn. */
void metrics_queue_wait(struct metrics *m, double seconds);

void metrics_job_ended(struct metrics *m, enum verdict_kind kind);
void metrics_pool_hit(struct metrics *m);
void metrics_pool_miss(struct metrics *m);

/* The building of a template has ended. */
void metrics_template(struct metrics *m, bool built);

/* A guest has ended; STOPPED and POWEROFF are no failures and are not counted. */
void metrics_guest_failed(struct metrics *m, enum guest_end end);

/* All of it, and what the server has now, as OpenMetrics text; pool NULL: without the pool's gauges.
 * Malloced, NULL when memory is out. */
char *metrics_text(const struct server *s, const struct metrics_pool *pool);
