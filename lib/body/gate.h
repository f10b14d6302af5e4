/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where workers wait until all of them are in their cgroups. Who is forked now waits for the next opening.
 *
 * A futex, and not the end of a pipe: woken readers take a pipe's lock one after the other, and those that
 * spin already keep those that hold it from running, so that of hundreds many would never begin.
 */

#include <stdatomic.h>
#include <stdint.h>

struct gate {
        _Atomic uint32_t *openings; /* shared memory, the owner's; how often it was opened */
};

/* 0, or -ENOMEM. Whoever is forked later shares it. */
int gate_init(struct gate *g);
void gate_done(struct gate *g); /* nobody may wait; one that is all 0 is none */

/* Let all go that wait. */
void gate_open(struct gate *g);

/* In a worker: `ticket` is gate_ticket() from before it was forked. Returns at once when it was opened
 * since. */
uint32_t gate_ticket(const struct gate *g);
void gate_wait(const struct gate *g, uint32_t ticket);
