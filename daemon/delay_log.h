/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the host kept a guest's vCPU threads from running, over time: samples of (guest time, cumulative
 * delay), asked for windows of guest time. The guest's clock is tied to ours by the arrival of one frame
 * that bears its time, so windows are widened by the sampling interval on both sides.
 */

#include <stddef.h>
#include <stdint.h>

struct delay_sample {
        uint64_t host_ns, delay_ns;
};

struct delay_log {
        struct delay_sample *samples;
        size_t n, allocated;
        int64_t offset_ns; /* host minus guest time */
        int tied;
};

void delay_log_done(struct delay_log *l);

/* Sampling time between two adds, ns: what a window is widened by. */
#define DELAY_LOG_INTERVAL_NS 100000000ULL

/* host_ns must not go backwards. Memory running out loses the sample. */
void delay_log_add(struct delay_log *l, uint64_t host_ns, uint64_t delay_ns);

/* Guest time guest_ns was read at host time host_ns, or a little before. */
void delay_log_tie(struct delay_log *l, uint64_t host_ns, uint64_t guest_ns);

/* Delay between two guest times; 0 without samples or tie. Fits kt_host_delay_cb. */
uint64_t delay_log_between(void *log, uint64_t from_ns, uint64_t to_ns);
