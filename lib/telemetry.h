/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the workers of a test's scenarios measured about themselves. Times in ns of the guest's
 * CLOCK_MONOTONIC; what each number means stands in proto/guestmsg.h and proto/bodymsg.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/ktstr.h"

struct kt_worker {
        int64_t tid;
        char *work; /* its type: "CpuSpin"; owned; NULL: not said */
        char *role; /* what it does in a team of unlike ones: "messenger"; owned; NULL: what all do */
        uint64_t work_units, iterations;
        uint64_t cpu_ns, wall_ns, off_cpu_ns; /* off = wall - cpu */
        uint64_t migrations;
        struct ktstr_cpus cpus_used; /* since its cpuset changed last */
        bool has_cpus;               /* it might use others than its cgroup's: */
        struct ktstr_cpus cpus;      /* by affinity, or because it was moved */
        uint64_t max_gap_ns;         /* longest time between two progress points */
        int64_t max_gap_cpu;         /* the CPU at its end */
        uint64_t max_gap_at_ns;      /* its end, from the worker's start */
        uint64_t run_delay_ns, run_count;
        uint64_t started_ns; /* when it was let go; its first gap begins here */
        uint64_t stopped_ns;
        uint64_t paused_ns; /* for how long it was frozen */
        char *exit;         /* owned; how it ended by itself; NULL: it worked until it was stopped */
};

/* The wake-ups that a cgroup's workers measured. */
struct kt_wakes {
        uint64_t count; /* 0: none was measured */
        uint64_t p50_ns, p99_ns, max_ns;
        double cv; /* standard deviation by mean */
};

/* The pages that its workers have taken since they were let go. */
struct kt_pages {
        uint64_t total; /* 0: none was counted */
        uint64_t local; /* on the nodes that the cgroup may use */
        uint64_t slow;  /* on nodes without CPUs */
        uint64_t migrated;
};

struct kt_cgroup {
        char *name;                      /* owned */
        unsigned scenario;               /* index */
        uint64_t started_ns, stopped_ns; /* when its workers were let go and stopped */
        bool has_cpus;                   /* it had a cpuset: */
        struct ktstr_cpus cpus;          /* that it allowed last */
        bool isolated; /* the kernel gave its workers no other CPUs: isolation can be judged */
        struct kt_wakes wakes;
        struct kt_pages pages;
        struct kt_worker *workers; /* owned */
        size_t n_workers;
};

struct kt_scenario {
        struct ktstr_checks checks; /* merged, from the defaults to its own */
};

struct kt_workload {
        uint64_t started_ns, stopped_ns; /* of the first and the last scenario */
        struct ktstr_cpus cpus;          /* the guest's */
        struct kt_scenario *scenarios;   /* owned */
        size_t n_scenarios;
        struct kt_cgroup *cgroups; /* owned */
        size_t n_cgroups;
};

void kt_workload_done(struct kt_workload *w);
