/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The checks: from telemetry to outcomes. Pure functions, so that they serve the daemon and, in the guest,
 * the tests of authors. Which are made, and against what, says each scenario of the workload.
 *
 * A missed threshold is the scheduler's fault only if the host can't have caused it: where the vCPU threads
 * were kept from running, in the window of the miss, for at least as long as the threshold was missed by,
 * the outcome is inconclusive. What one worker missed is held against what one can have waited for, what
 * many missed together against the delay of all (enum kt_delay). Ratios that no lost time explains
 * (isolation, migrations, pages) are not excused. So is inconclusive what was asked for and not measured: no
 * wake-ups, no pages, no iterations.
 */

#include "telemetry.h"

enum kt_outcome {
        KT_PASS,
        KT_SKIP,
        KT_INCONCLUSIVE,
        KT_FAIL,
};

struct kt_check_result {
        const char *name; /* static, of struct kt_threshold: "not_starved", "gap", … */
        enum kt_outcome outcome;
        char text[256]; /* one line of ASCII */
        double value, threshold;
        const char *unit; /* static; "" when there is none */
        bool has_value;   /* value and threshold are numbers */
};

/* Whose waiting for the host is asked for. */
enum kt_delay {
        KT_DELAY_OF_ONE, /* what one worker can have waited at most: it waits for one vCPU at a time */
        KT_DELAY_OF_ALL, /* of all vCPUs together */
};

/* How long the host kept the guest's vCPUs from running between two guest times, in ns. */
typedef uint64_t (*kt_host_delay_cb)(void *userdata, enum kt_delay of, uint64_t from_ns, uint64_t to_ns);

/* Of one check at most so many misses are told of, and of the others how many they are. */
#define KT_CHECK_MISSES_MAX 32

/*
 * Make all checks that are on. *ret is malloced: of each check its misses, or one result when there are
 * none. One that has nothing to look at and is on by default only (isolation without a cpuset) gives none.
 * delay may be NULL: the host is then never at fault. Each cgroup's scenario must be one of w's. -ENOMEM.
 */
int kt_check_all(const struct kt_workload *w, kt_host_delay_cb delay, void *userdata,
                 struct kt_check_result **ret, size_t *ret_n);

/* How long it takes at most until each worker that ran between two guest times has had a turn, in time
 * slices of sched_ext's default, in ns. 0: none ran, or memory is out. */
uint64_t kt_check_round_ns(const struct kt_workload *w, uint64_t from_ns, uint64_t to_ns);

/* max - min share of time off the CPU over a cgroup's workers, in percent, frozen time apart. Compared are
 * those that do the same work in the same role; of several it is the widest. */
double kt_cgroup_spread_pct(const struct kt_cgroup *g);

/* How many different CPUs its workers ran on. */
unsigned kt_cgroup_cpus_used(const struct kt_cgroup *g);
