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

/* Of wait_ns, what fits the room in an interval; returns what does not. */
static uint64_t put(struct delay_log *l, struct delay_thread *t, size_t at, uint64_t room_ns,
                    uint64_t wait_ns)
{
        const uint64_t share = wait_ns < room_ns ? wait_ns : room_ns;

        l->samples[at].waited_ns += share;
        t->room_at = at;
        t->room_ns = room_ns - share;
        return wait_ns - share;
}

/* The thread waited for wait_ns until the last sample or a little before. Returns the first sample that has
 * something of it. */
static size_t spread(struct delay_log *l, struct delay_thread *t, uint64_t wait_ns)
{
        const struct delay_thread before = *t;
        const size_t last = l->n - 1;
        size_t at = last + 1;

        while (wait_ns > 0 && at > before.waited_until + 1) {
                at--;
                wait_ns = put(l, t, at, l->samples[at].host_ns - l->samples[at - 1].host_ns, wait_ns);
        }
        if (wait_ns > 0 && before.room_ns > 0) {
                at = before.room_at;
                put(l, t, at, before.room_ns, wait_ns);
        }
        t->waited_until = last;
        return at;
}

static void sum_up(struct delay_log *l, size_t from)
{
        for (size_t i = from > 0 ? from : 1; i < l->n; i++) {
                const struct delay_sample *before = &l->samples[i - 1];
                struct delay_sample *s = &l->samples[i];
                const uint64_t lasts_ns = s->host_ns - before->host_ns;

                s->of_one_ns = before->of_one_ns + (s->waited_ns < lasts_ns ? s->waited_ns : lasts_ns);
                s->of_all_ns = before->of_all_ns + s->waited_ns;
        }
}

void delay_log_add(struct delay_log *l, uint64_t host_ns, const uint64_t *delays_ns, unsigned n)
{
        size_t changed = l->n;

        if (!make_room(l))
                return;
        l->samples[l->n++] = (struct delay_sample){.host_ns = host_ns};
        for (unsigned i = 0; i < n; i++) {
                struct delay_thread *t = &l->threads[i];

                if (i >= l->n_threads)
                        *t = (struct delay_thread){.waited_until = l->n - 1};
                else if (delays_ns[i] > t->delay_ns) {
                        const size_t first = spread(l, t, delays_ns[i] - t->delay_ns);

                        changed = first < changed ? first : changed;
                }
                t->delay_ns = delays_ns[i];
        }
        l->n_threads = n;
        sum_up(l, changed);
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
        uint64_t waited;

        if (!l->tied || l->n == 0 || to_ns <= from_ns)
                return 0;
        /* The last sample at or before the window, the first at or after it; where there is none, the
         * outermost. */
        until = count_before(l, from, true);
        before = count_before(l, to, false);
        first = &l->samples[until > 0 ? until - 1 : 0];
        last = &l->samples[before < l->n ? before : l->n - 1];
        if (of == KT_DELAY_OF_ALL)
                return last->of_all_ns - first->of_all_ns;
        waited = last->of_one_ns - first->of_one_ns;
        return waited < to_ns - from_ns ? waited : to_ns - from_ns;
}
