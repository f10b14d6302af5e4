/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the checks share. */

#include "check.h"
#include "thresholds.h"

#define NS_PER_MS 1000000ULL

struct checker {
        const struct kt_workload *workload;
        kt_host_delay_cb delay;
        void *userdata;
        struct ktstr_cpus *used;    /* for each cgroup: the CPUs its workers ran on */
        struct ktstr_cpus *allowed; /* and those they might have run on */
        struct kt_check_result *results;
        size_t n, allocated;
        bool oom;

        /* of the check that is being made: */
        const struct kt_threshold *threshold;
        size_t first;        /* its first result */
        size_t misses;       /* all, also those that are only counted */
        bool seen;           /* there was something to look at */
        double value, limit; /* of what came closest to its limit */
};

struct check {
        const char *field; /* of struct ktstr_checks */
        /* Look at a cgroup for whose scenario it is on; a switch has no limit. Calls check_saw() for what is
         * within the limit, check_missed() for what is not. */
        void (*judge)(struct checker *c, const struct kt_cgroup *g, double limit);
        /* The line of a pass: value and threshold are set. */
        void (*say)(struct kt_check_result *r);
        const char *missing; /* why there was nothing to look at; NULL: then nothing is said */
};

extern const struct check checks_progress[], checks_rate[], checks_memory[];
extern const size_t checks_progress_n, checks_rate_n, checks_memory_n;

/* A value within its limit, of which the closest is shown when all are. */
void check_saw(struct checker *c, double value, double limit);

/* A value beyond it. The text is the caller's to write; never NULL. */
struct kt_check_result *check_missed(struct checker *c, enum kt_outcome outcome, double value, double limit);

/* The same when there is no number to it. */
struct kt_check_result *check_missed_plain(struct checker *c, enum kt_outcome outcome);

/* The rule of the host at fault: what was missed, in ns, against how long the host held the vCPUs back
 * meanwhile. of: is it one worker's time that was missed, or is it of many, added up? */
enum kt_outcome check_blame(const struct checker *c, enum kt_delay of, uint64_t from_ns, uint64_t to_ns,
                            double missed_ns);

/* Write the line, and for an inconclusive outcome that the host alone explains it. */
void check_say(struct kt_check_result *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void check_say_more(struct kt_check_result *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* From when to when a worker could run, and for how long in it that was. */
struct check_window {
        uint64_t from_ns, to_ns, running_ns;
};
struct check_window check_window_of(const struct kt_cgroup *g, const struct kt_worker *k);

/* What one that ended by itself did before is no measure of the scheduler; that it ended says a message. */
bool check_is_whole(const struct kt_worker *k);

/* A cgroup's whole workers, those of one work and role beside one another. Malloced; NULL: out of memory. */
const struct kt_worker **check_by_work(const struct kt_cgroup *g, size_t *ret_n);
/* How many of n, from the first on, do the same work in the same role. */
size_t check_same_work(const struct kt_worker *const *workers, size_t n);

/* Per worker without frozen time: its share of time off the CPU in percent; -1: it had no time. */
double check_off_cpu_pct(const struct kt_worker *k);

/* Of kt_check_round_ns(); of c only workload and allowed need be set. */
uint64_t check_longest_round_ns(const struct checker *c, uint64_t from_ns, uint64_t to_ns);

/* The CPUs on which the workers of cgroup g ran, and might have run. */
const struct ktstr_cpus *check_cpus_of(const struct checker *c, const struct kt_cgroup *g);
const struct ktstr_cpus *check_allowed_of(const struct checker *c, const struct kt_cgroup *g);
