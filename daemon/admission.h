/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of the jobs that wait starts next. Order and arithmetic alone: no clock, no server; a job here is
 * the struct that its owner embeds, and who calls says what the host has and what of it is taken.
 *
 * The order of those that wait:
 *   1. priority: high, normal, low;
 *   2. the user with the fewest vCPUs running; of those, the one of whom a job started least recently;
 *   3. age.
 *
 * A job has room when, with those that run,
 *   - the vCPUs are no more than the host's CPUs times the overcommit, and
 *   - the memory is no more than the budget.
 * One that wants the host to itself has room when nothing runs, no kernel is built either, and nothing has
 * room beside it. One without vCPUs, which is decided without a guest, always has room.
 * One always runs: where nothing does the first in order has room, however large it is. (What exceeds the
 * memory by itself is refused before it gets here.)
 *
 * A job without room lets those behind it pass that have some, for ADMISSION_PASS_MS from when its turn
 * came, that is, when it was first in order and there was no room. Then nobody behind it starts until it
 * has: a large job that small ones pass for ever would never run. Its place in the order is no claim: a user
 * who has fewer vCPUs running, or a higher priority, still comes before it. For one that wants the host to
 * itself it is not its turn as long as a kernel is built, which can take an hour.
 *
 * All O(users) as long as the first in order has room; O(jobs) where those that have none are passed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/list.h"

#define ADMISSION_PASS_MS 10000U

enum admission_priority {
        ADMISSION_HIGH,
        ADMISSION_NORMAL,
        ADMISSION_LOW,
        _ADMISSION_PRIORITY_MAX,
};

const char *admission_priority_name(enum admission_priority p);
/* _ADMISSION_PRIORITY_MAX when it is none. */
enum admission_priority admission_priority_parse(const char *name);

/* What the host has for guests. */
struct admission_capacity {
        unsigned host_cpus, overcommit;
        uint64_t memory_mib;
};

/* What of it is taken by those that run. */
struct admission_load {
        unsigned jobs, cpus;
        uint64_t memory_mib;
        bool alone;    /* the one that runs has the host to itself */
        bool building; /* a kernel; of jobs and cpus that is none */
};

static inline uint64_t admission_cpus(const struct admission_capacity *c)
{
        return (uint64_t)c->host_cpus * c->overcommit;
}

struct admission_job {
        /* set by the owner before it is added */
        struct admission_user *user;
        unsigned cpus, memory_mib; /* no CPUs: it ends as soon as it has started */
        enum admission_priority priority;
        bool alone; /* it wants the host to itself */
        /* … for forecast.h only */
        bool command; /* else a run, with a workload of this duration */
        uint64_t duration_ms, timeout_ms;

        /* set here; times as the caller counts them */
        struct kt_list link; /* among those of its user that wait, or among all that run */
        uint64_t age;        /* 1, 2, 3, … in the order in which they came */
        bool turn_came;      /* it was first in order, and there was no room */
        bool runs;
        uint64_t turn_ms, started_ms; /* when */

        /* set by forecast() */
        unsigned ahead;
        int64_t wait_ms;
};

struct admission {
        struct admission_user **users; /* owned; whoever ever had a job, for as long as we live */
        struct admission_user **heap;  /* room for as many; used while something is looked for */
        size_t n_users, n_heap;
        struct kt_list running;
        uint64_t n_came, n_started;
        bool first_is_alone; /* by the last admission_next(): who waits first wants the host to itself */

        enum admission_priority ahead; /* how far admission_ahead_next() has got */
        uint64_t n_ahead;
};

void admission_init(struct admission *a);
/* No job may be left. */
void admission_done(struct admission *a);

/* Whose jobs count together; borrowed. NULL: out of memory. */
struct admission_user *admission_user_of(struct admission *a, uid_t uid);

/* To the end of the queue. The job has to stay where it is until it is removed. */
void admission_add(struct admission *a, struct admission_job *job);

/* The one to start now, or NULL: it stays in the queue until admission_start(). now_ms: of a clock that does
 * not go back. */
struct admission_job *admission_next(struct admission *a, const struct admission_capacity *capacity,
                                     const struct admission_load *running, uint64_t now_ms);

/* It runs from now on: its vCPUs count for its user. */
void admission_start(struct admission *a, struct admission_job *job, uint64_t now_ms);

/* It waits no longer, or runs no longer. */
void admission_remove(struct admission *a, struct admission_job *job);

/* Those that wait, one after the other until NULL, in the order in which they would start if each had room
 * and none ended: the shares of users change as their jobs start, so this interleaves them. The whole is
 * O(jobs × log users). Nothing may be added, started or removed in between. */
void admission_ahead_begin(struct admission *a);
struct admission_job *admission_ahead_next(struct admission *a);
