/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is waited for: a time, or what only the kernel or a scheduler can bring about. */

#include "run.h"

/* How long the body has for its end when it is over: the agent kills one that does not end within two
 * seconds. */
#define WAIT_GRACE_MS 1500ULL

/* The CLOCK_MONOTONIC time `ms` from now; never for what no clock reaches, as KTSTR_NONE. */
uint64_t wait_deadline_ns(uint64_t ms);

/* Until then (CLOCK_MONOTONIC). RUN_OVER when it is over before. */
int wait_until(struct run *r, uint64_t until_ns);

/* Until done(data), but no longer than a scheduler that stalls is let by the kernel's own watchdog:
 * -ETIMEDOUT then. RUN_OVER when it is over. */
int wait_for(struct run *r, bool (*done)(struct run *r, void *data), void *data);

/* The same for what has to be gone in the end: when it is over there is a second left for it. */
int wait_for_end(struct run *r, bool (*done)(struct run *r, void *data), void *data);

/* When workers stand still the scheduler has stalled, and the kernel's own watchdog will say so: wait for
 * that. RUN_OVER when it is over. */
int wait_for_progress(struct run *r);
