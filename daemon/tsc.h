/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The host's time stamp counter, which a guest under tcg reads as its own, at the same rate.
 *
 * Its kernel has to find that rate out when it boots, by the emulated timers and while this host does other
 * things too: a guest that was let wait at the wrong moment took 2596 MHz for 106, and its time then passed
 * 24 times as fast as the world's. So it is told.
 */

#include <stdint.h>

/* The counter and a clock, at one moment. */
struct tsc_moment {
        uint64_t ticks, ns;
};

struct tsc_moment tsc_look(void);

/* In kHz, to a ten-thousandth; 0 when time cannot be told by it, for it changes its rate or stops. Blocks
 * until 10 ms have passed since then. */
unsigned tsc_khz_since(const struct tsc_moment *then);
