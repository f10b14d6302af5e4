/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The checks: from telemetry to outcomes. Pure functions, so that they serve the daemon and, in the guest,
 * the tests of authors.
 *
 * A missed threshold is the scheduler's fault only if the host can't have caused it: where the vCPU threads
 * were kept from running, in the window of the miss, for at least as long as the threshold was missed by,
 * the outcome is inconclusive.
 */

#include "telemetry.h"

enum kt_outcome {
        KT_PASS,
        KT_SKIP,
        KT_INCONCLUSIVE,
        KT_FAIL,
};

struct kt_check_result {
        const char *name; /* static: "not_starved", "gap", "spread", "isolation" */
        enum kt_outcome outcome;
        char text[256];
        double value, threshold;
        const char *unit; /* static; "" when there is no number */
};

struct kt_thresholds {
        bool not_starved, isolation;
        double gap_ms, spread_pct; /* negative: off */
};

/* The defaults: gap 2000 ms and spread 15 %, under a software-emulated CPU 3000 ms and 35 %. */
struct kt_thresholds kt_thresholds_default(bool emulated);

/* How long the host kept the guest's vCPUs from running between two guest times, in ns,
 * all vCPUs together. */
typedef uint64_t (*kt_host_delay_cb)(void *userdata, uint64_t from_ns, uint64_t to_ns);

/*
 * Run all checks that are on. *ret is malloced, one result for each check and fault (a passing check gives
 * one result). delay may be NULL: the host is then never at fault. -ENOMEM.
 */
int kt_check_all(const struct kt_workload *w, const struct kt_thresholds *t, kt_host_delay_cb delay,
                 void *userdata, struct kt_check_result **ret, size_t *ret_n);

/* max - min share of time off the CPU over a cgroup's workers, in percent; the ends go to *ret_min and
 * *ret_max. */
double kt_cgroup_spread_pct(const struct kt_cgroup *g, double *ret_min, double *ret_max);

/* How many different CPUs its workers ran on. */
unsigned kt_cgroup_cpus_used(const struct kt_cgroup *g);
