/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "delay_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void delay_log_done(struct delay_log *l)
{
        free(l->samples);
        memset(l, 0, sizeof(*l));
}

static bool make_room(struct delay_log *l)
{
        const size_t allocated = l->allocated ? l->allocated * 2 : 64;
        struct delay_sample *grown;

        if (l->n < l->allocated)
                return true;
        grown = realloc(l->samples, allocated * sizeof(*grown));
        if (!grown)
                return false;
        l->samples = grown;
        l->allocated = allocated;
        return true;
}

void delay_log_add(struct delay_log *l, uint64_t host_ns, const uint64_t *delays_ns, unsigned n)
{
        uint64_t longest = 0, sum = 0;
        struct delay_sample before = {};

        if (!make_room(l))
                return;
        if (l->n > 0)
                before = l->samples[l->n - 1];
        for (unsigned i = 0; i < n; i++) {
                const uint64_t more =
                        i < l->n_threads && delays_ns[i] > l->last_ns[i] ? delays_ns[i] - l->last_ns[i] : 0;

                longest = more > longest ? more : longest;
                sum += more;
                l->last_ns[i] = delays_ns[i];
        }
        l->n_threads = n;
        l->samples[l->n++] =
                (struct delay_sample){host_ns, before.of_one_ns + longest, before.of_all_ns + sum};
}

void delay_log_tie(struct delay_log *l, uint64_t host_ns, uint64_t guest_ns)
{
        l->offset_ns = (int64_t)host_ns - (int64_t)guest_ns;
        l->tied = 1;
}

/* How many samples are from before `host_ns`; with `at`, from that time too. */
static size_t count_before(const struct delay_log *l, int64_t host_ns, bool at)
{
        size_t low = 0, high = l->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int64_t t = (int64_t)l->samples[middle].host_ns;

                if (t < host_ns || (at && t == host_ns))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

uint64_t delay_log_between(void *log, enum kt_delay of, uint64_t from_ns, uint64_t to_ns)
{
        const struct delay_log *l = log;
        const struct delay_sample *first, *last;
        int64_t from = (int64_t)from_ns + l->offset_ns - (int64_t)DELAY_LOG_INTERVAL_NS;
        int64_t to = (int64_t)to_ns + l->offset_ns + (int64_t)DELAY_LOG_INTERVAL_NS;
        size_t until, before;

        if (!l->tied || l->n == 0)
                return 0;
        /* The last sample at or before the window, the first at or after it; where there is none, the
         * outermost. */
        until = count_before(l, from, true);
        before = count_before(l, to, false);
        first = &l->samples[until > 0 ? until - 1 : 0];
        last = &l->samples[before < l->n ? before : l->n - 1];
        return of == KT_DELAY_OF_ONE ? last->of_one_ns - first->of_one_ns
                                     : last->of_all_ns - first->of_all_ns;
}
