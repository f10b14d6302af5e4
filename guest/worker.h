/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Workers: processes that spin and keep count of it. Each is forked, waits at a gate until it is in its
 * cgroup, and runs until it is killed. What it measures stands in memory that it shares with the agent, not
 * in a report at its end: a worker that a broken scheduler never runs again cannot report, and its standing
 * still is just what must be seen.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/error.h"

#define WORKER_CPUS_MAX 1024

struct agent;

/* Written by the worker, read by the agent at any time. Times: CLOCK_MONOTONIC in ns. */
struct worker_counters {
        _Atomic uint64_t started_ns; /* 0: it never ran */
        _Atomic uint64_t last_ns;    /* the last progress point */
        _Atomic uint64_t work_units; /* spin iterations */
        _Atomic uint64_t iterations; /* chunks of 1024 */
        _Atomic uint64_t migrations;
        _Atomic uint64_t max_gap_ns, max_gap_at_ns; /* at: its end, from started_ns */
        _Atomic uint32_t max_gap_cpu, last_cpu;
        _Atomic uint64_t cpus_used[WORKER_CPUS_MAX / 64]; /* bitmap */
};

struct worker {
        pid_t pid;  /* -1 once collected */
        pid_t tid;  /* the same, for reports */
        int cgroup; /* index into the scenario's */
        struct worker_counters *counters;
        bool reaped;
        int wait_status;

        /* read from /proc when the workload stops */
        uint64_t cpu_ns, run_delay_ns, run_count;
};

struct crew {
        struct worker *workers;
        unsigned n;
        struct worker_counters *shared;
        _Atomic uint32_t *gate; /* in the shared memory, behind the counters: 1 lets all go */
        uint64_t started_ns, stopped_ns;
};

/* Fork n workers that wait at the gate; crew->workers[i].cgroup is left to the caller. -ENOMEM when the
 * guest's memory runs out. */
int crew_make(struct crew *c, struct agent *a, unsigned n, struct kt_error *reterr);

/* Open the gate. */
void crew_go(struct crew *c);

/* Has every worker that is still there made progress since `since_ns`? */
bool crew_progressed_since(const struct crew *c, uint64_t since_ns);

/* The end of the measuring: take the kernel's figures, account for those that stand still, kill all. */
void crew_stop(struct crew *c);

/* Collect the killed, at most for timeout_ms; false when some would not die. */
bool crew_reap(struct crew *c, int timeout_ms);
