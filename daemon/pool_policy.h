/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the pool decides by, without a pool: how much a shape is in demand, how many guests of it are to be
 * ready, and who gets less when all is too much. Times in ms of one monotonic clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below this a shape is let go. One use weighs 1; it is halved once per half-life: a shape that was used
 * once is let go after 4.3 half-lives. */
#define POOL_DEMAND_MIN 0.05

/* How often, and how much at once, a shape was used lately. All zero: never. */
struct pool_demand {
        double uses;        /* decayed count */
        double peak;        /* most that ran at a time, decayed */
        unsigned running;   /* now */
        unsigned forgotten; /* run too, and do not count */
        uint64_t at_ms;     /* of the values above */
};

void pool_demand_begin(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms);
void pool_demand_end(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms);

/* Somebody says that it will be used: count it as one use, at least. */
void pool_demand_prime(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms);

/* As if it had never been used; what runs does not count any more. */
void pool_demand_forget(struct pool_demand *d);

/* Those whose pool_demand_end() is still to come. */
unsigned pool_demand_running(const struct pool_demand *d);

/* The decayed count of uses; at least 1 while one runs. */
double pool_demand_at(const struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms);

/* Guests to have ready: `idle`, or what ran at a time lately when that is more; 0 when it is to be let go.
 */
unsigned pool_demand_want(const struct pool_demand *d, unsigned idle, uint64_t now_ms,
                          uint64_t half_life_ms);

/* ms from now until it is to be let go if nothing happens; 0: it is already. */
uint64_t pool_demand_lasts(const struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms);

/* What a shape would like, and what it gets. */
struct pool_wish {
        double demand;
        unsigned want;
        uint64_t each_bytes; /* memory of one of its idle guests */
        unsigned granted;    /* out */
};

/* Share out at most `max` guests and `memory_bytes`: the first guest of each shape before the second of any,
 * within a round those in more demand first. The order of wishes is kept. */
void pool_allot(struct pool_wish *wishes, size_t n, unsigned max, uint64_t memory_bytes);

/* How long to leave a shape alone after so many failures in a row: 1 s, doubled each time, at most 5 min. */
uint64_t pool_backoff_ms(unsigned failures);
