/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the workers of a scenario measured about themselves. Times in ns of the guest's CLOCK_MONOTONIC. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kt_worker {
        int64_t tid;
        uint64_t work_units, iterations;
        uint64_t cpu_ns, wall_ns, off_cpu_ns; /* off = wall - cpu */
        uint64_t migrations;
        unsigned *cpus_used; /* owned */
        size_t n_cpus_used;
        uint64_t max_gap_ns;    /* longest time between two progress points */
        int64_t max_gap_cpu;    /* the CPU at its end */
        uint64_t max_gap_at_ns; /* its end, from the worker's start */
        uint64_t run_delay_ns, run_count;
        uint64_t started_ns;
        char *exit; /* owned; NULL: it reported as it should */
};

struct kt_cgroup {
        char *name;     /* owned */
        unsigned *cpus; /* its cpuset; owned; NULL: none was set */
        size_t n_cpus;
        struct kt_worker *workers; /* owned */
        size_t n_workers;
};

struct kt_workload {
        uint64_t started_ns, stopped_ns;
        struct kt_cgroup *cgroups; /* owned */
        size_t n_cgroups;
};

void kt_workload_done(struct kt_workload *w);
