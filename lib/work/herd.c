/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ThunderingHerd: all are woken at once by one futex call, and want one lock. A unit is a spin iteration
 * within the lock, of the one that wakes them a round. */

#include "limits.h"
#include "lock.h"
#include "period.h"
#include "round.h"
#include "types.h"

struct herd {
        struct round round;
        _Alignas(64) _Atomic uint32_t lock;
};

static unsigned team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0] + 1;
}

static const char *role(unsigned team_index)
{
        return team_index == 0 ? "waker" : "herd";
}

static size_t shared_size(const struct ktstr_work *work)
{
        return sizeof(struct herd);
}

static void wake_herd(struct ktstr_worker *w, struct herd *herd, uint64_t period_ns)
{
        uint64_t now = worker_now_ns(), tick = now;

        for (;;) {
                tick = period_next(tick, period_ns, now);
                worker_sleep_until(w, tick);
                round_release(w, &herd->round);
                round_collect(w, &herd->round);
                now = worker_progress(w, 1);
        }
}

static void thundering_herd(struct ktstr_worker *w)
{
        struct herd *herd = w->team->shared;
        const uint64_t hold = w->work->p[1];
        uint32_t seen = 0;

        if (w->team_index == 0)
                wake_herd(w, herd, w->work->p[2] * 1000);
        for (;;) {
                round_await(w, &herd->round, &seen);
                lock_take(&herd->lock);
                worker_spin(hold);
                lock_release(&herd->lock);
                worker_progress(w, hold);
                round_done(&herd->round);
        }
}

const struct work_type work_type_THUNDERING_HERD = {
        .name = "ThunderingHerd",
        .params = {{"herd", 7, WORK_TEAM_MAX},
                   {"hold_iterations", 256, WORK_ITERATIONS_MAX},
                   {"period_us", 2000, WORK_PERIOD_US_MAX}},
        .team_size = team_size,
        .role = role,
        .shared_size = shared_size,
        .run = thundering_herd,
};
