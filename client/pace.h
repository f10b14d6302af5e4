/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How many jobs of one command may be in the daemon at a time, when it refuses some because a limit is
 * reached (KT_E_BUSY). No I/O and no clock; times are in ms of one that does not go back.
 *
 * Up to `max`, as long as none is refused. From then on as many as it has taken: each that ends makes room
 * for the next. That there is room for more is found out by one more at a time: at once after one was taken,
 * and after a pause after one was refused, which grows with each that is. Others' jobs may be what is in the
 * way; as long as the daemon has some of ours it is waited for however long that takes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_PAUSE_MIN_MS 100U
#define PACE_PAUSE_MAX_MS 5000U
/* The longest that one is tried again while the daemon has none of ours. */
#define PACE_PATIENCE_MS 60000

struct pace {
        size_t max, limit;
        unsigned pause_ms; /* 0: none was refused yet */
        bool probing;      /* one more than is known to fit may be under way */
        int64_t again_ms;  /* when one more may be */
        int64_t alone_ms;  /* since when none of ours is there; 0: some are */
};

void pace_init(struct pace *p, size_t max);

/* May one more be sent, with `under_way` that were, and have not ended? */
bool pace_allows(struct pace *p, size_t under_way, int64_t now_ms);

/* One was taken; it is among those under way. */
void pace_taken(struct pace *p, size_t under_way);

/* One was refused; the daemon has `taken` of ours. False: it is not worth another try. */
bool pace_refused(struct pace *p, size_t taken, int64_t now_ms);

/* For how long to wait for the next pace_allows() where nothing else happens, ms; -1: for ever. */
int pace_wait_ms(const struct pace *p, int64_t now_ms);
