/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "round.h"

#include <limits.h>

void round_release(struct ktstr_worker *w, struct round *r)
{
        atomic_store(&r->pending, w->team_size - 1);
        atomic_store(&r->released_ns, worker_now_ns());
        atomic_fetch_add(&r->number, 1);
        worker_futex_wake(&r->number, INT_MAX);
}

void round_collect(struct ktstr_worker *w, struct round *r)
{
        uint32_t pending;

        worker_wait_begins(w, &r->done_ns);
        while ((pending = atomic_load(&r->pending)) != 0)
                worker_futex_wait(&r->pending, pending);
        worker_wait_ended(w);
}

void round_await(struct ktstr_worker *w, struct round *r, uint32_t *seen)
{
        bool slept;
        uint64_t now;

        worker_wait_begins(w, &r->released_ns);
        slept = worker_futex_wait(&r->number, *seen);
        now = worker_wait_ended(w);
        if (slept)
                ktstr_worker_wake_latency(w, now - atomic_load(&r->released_ns));
        ++*seen;
}

void round_done(struct round *r)
{
        atomic_store(&r->done_ns, worker_now_ns());
        if (atomic_fetch_sub(&r->pending, 1) == 1)
                worker_futex_wake(&r->pending, 1);
}
