/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rounds of a team that one leads: it releases all others at once, and waits until each has done its part.
 * So no round overtakes another, and each wake-up is measured from when it was sent. Lives zeroed in the
 * team's shared memory; worker 0 of the team leads.
 */

#include "../body/worker.h"

struct round {
        _Alignas(64) _Atomic uint32_t number; /* of the rounds that were released */
        _Atomic uint64_t released_ns;
        _Alignas(64) _Atomic uint32_t pending; /* of this round, who is not done yet */
        _Atomic uint64_t done_ns;              /* when the last one was that is */
};

/* The leader's. */
void round_release(struct ktstr_worker *w, struct round *r);
void round_collect(struct ktstr_worker *w, struct round *r);

/* The others': wait for a round that is later than *seen (at first 0), note the wake-up's latency if there
 * was one; be done with it. */
void round_await(struct ktstr_worker *w, struct round *r, uint32_t *seen);
void round_done(struct round *r);
