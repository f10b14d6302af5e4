/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the host kept a guest's vCPU threads from running, over time: samples of the cumulative delay of
 * each, asked for windows of guest time. The guest's clock is tied to ours by the arrival of one frame that
 * bears its time, so windows are widened by the sampling interval on both sides.
 *
 * The kernel tells of a wait when the thread gets a CPU again, of all of it at once. It is counted where it
 * was: back over the intervals that it took, as far as the thread's waits before left some of them. So no
 * thread waits longer in an interval than that lasts; what there was no time for is dropped.
 *
 * Two sums are kept, for the two questions there are (enum kt_delay). What one worker can have waited is not
 * the sum of all threads: on a busy host they wait at the same time, a guest of eight vCPUs eight times as
 * long as its clock says, and that would excuse whatever a worker missed. Nor is it the delay of one vCPU:
 * the worker may have been in the queue of this and of that, or behind a lock's holder there, also within
 * one interval. So it is of each interval what all threads waited in it, but no more than it lasts. No
 * window has more of that than its own length.
 */

#include <stddef.h>
#include <stdint.h>

#include "../lib/check.h"
#include "topology.h"

struct delay_sample {
        uint64_t host_ns;
        uint64_t waited_ns;            /* by all threads, in the interval that ends here */
        uint64_t of_one_ns, of_all_ns; /* delays since the first sample */
};

/* One of the guest's, as it was told last. */
struct delay_thread {
        uint64_t delay_ns;
        size_t waited_until; /* the sample that told of its last wait; its first one when it had none */
        size_t room_at;      /* until then: the last interval that its waits left some of … */
        uint64_t room_ns;    /* … so much; 0: of none */
};

struct delay_log {
        struct delay_sample *samples;
        size_t n, allocated;
        struct delay_thread threads[TOPOLOGY_CPUS_MAX];
        unsigned n_threads; /* those that were told of */
        int64_t offset_ns;  /* host minus guest time */
        int tied;
};

void delay_log_done(struct delay_log *l);

/* Sampling time between two adds, ns: what a window is widened by. */
#define DELAY_LOG_INTERVAL_NS 100000000ULL

/* delays_ns: of each of n threads (up to TOPOLOGY_CPUS_MAX) its delay since it was made, each time in the
 * same order. host_ns must not go backwards. Memory running out loses the sample, and the next one has its
 * delay. */
void delay_log_add(struct delay_log *l, uint64_t host_ns, const uint64_t *delays_ns, unsigned n);

/* Guest time guest_ns was read at host time host_ns, or a little before. */
void delay_log_tie(struct delay_log *l, uint64_t host_ns, uint64_t guest_ns);

/* Delay between two guest times, ns; 0 without samples or tie. Fits kt_host_delay_cb. */
uint64_t delay_log_between(void *log, enum kt_delay of, uint64_t from_ns, uint64_t to_ns);
