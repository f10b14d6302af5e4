/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool_policy.h"

#include <math.h>

#define BACKOFF_FIRST_MS 1000U
#define BACKOFF_MAX_MS (5U * 60 * 1000)

static double decayed(double value, uint64_t since_ms, uint64_t now_ms, uint64_t half_life_ms)
{
        if (now_ms <= since_ms)
                return value;
        return value * exp2(-(double)(now_ms - since_ms) / (double)half_life_ms);
}

static double larger(double a, double b)
{
        return a > b ? a : b;
}

static void decay(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        d->uses = decayed(d->uses, d->at_ms, now_ms, half_life_ms);
        d->peak = larger(decayed(d->peak, d->at_ms, now_ms, half_life_ms), d->running);
        d->at_ms = now_ms;
}

void pool_demand_begin(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        decay(d, now_ms, half_life_ms);
        d->uses += 1;
        d->running++;
        d->peak = larger(d->peak, d->running);
}

void pool_demand_end(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        decay(d, now_ms, half_life_ms);
        if (d->forgotten > 0) {
                d->forgotten--;
                return;
        }
        /* It is in use up to now. */
        d->uses = larger(d->uses, 1);
        if (d->running > 0)
                d->running--;
}

void pool_demand_prime(struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        decay(d, now_ms, half_life_ms);
        d->uses = larger(d->uses, 1);
}

void pool_demand_forget(struct pool_demand *d)
{
        d->uses = d->peak = 0;
        d->forgotten += d->running;
        d->running = 0;
}

unsigned pool_demand_running(const struct pool_demand *d)
{
        return d->running + d->forgotten;
}

double pool_demand_at(const struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        return larger(decayed(d->uses, d->at_ms, now_ms, half_life_ms), d->running > 0 ? 1 : 0);
}

unsigned pool_demand_want(const struct pool_demand *d, unsigned idle, uint64_t now_ms, uint64_t half_life_ms)
{
        const double peak = larger(decayed(d->peak, d->at_ms, now_ms, half_life_ms), d->running);

        if (idle == 0 || pool_demand_at(d, now_ms, half_life_ms) < POOL_DEMAND_MIN)
                return 0;
        /* Most of a guest is one: two at a time keep two ready for a quarter of a half-life. */
        return (unsigned)larger(idle, floor(peak + 0.3));
}

uint64_t pool_demand_lasts(const struct pool_demand *d, uint64_t now_ms, uint64_t half_life_ms)
{
        const double uses = pool_demand_at(d, now_ms, half_life_ms);

        /* A millisecond more, so that it is over when that time is. */
        return uses < POOL_DEMAND_MIN ? 0
                                      : (uint64_t)(log2(uses / POOL_DEMAND_MIN) * (double)half_life_ms) + 1;
}

/* The one in most demand that may have one more; NULL when nobody may. */
static struct pool_wish *next_wish(struct pool_wish *wishes, size_t n, unsigned round, uint64_t memory_bytes)
{
        struct pool_wish *best = NULL;

        for (size_t i = 0; i < n; i++) {
                struct pool_wish *w = &wishes[i];

                if (w->granted == round && w->want > round && w->each_bytes <= memory_bytes &&
                    (!best || w->demand > best->demand))
                        best = w;
        }
        return best;
}

void pool_allot(struct pool_wish *wishes, size_t n, unsigned max, uint64_t memory_bytes)
{
        struct pool_wish *w;

        for (size_t i = 0; i < n; i++)
                wishes[i].granted = 0;
        for (unsigned round = 0, given = 0; given < max; round++) {
                const unsigned before = given;

                while (given < max && (w = next_wish(wishes, n, round, memory_bytes))) {
                        w->granted++;
                        memory_bytes -= w->each_bytes;
                        given++;
                }
                if (given == before)
                        return;
        }
}

uint64_t pool_backoff_ms(unsigned failures)
{
        uint64_t ms = BACKOFF_FIRST_MS;

        if (failures == 0)
                return 0;
        while (--failures > 0 && ms < BACKOFF_MAX_MS)
                ms *= 2;
        return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}
