/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MutexContention. A unit is a spin iteration, within the lock and without. */

#include "limits.h"
#include "lock.h"
#include "types.h"

static unsigned team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0];
}

static size_t shared_size(const struct ktstr_work *work)
{
        return sizeof(_Atomic uint32_t);
}

static void mutex_contention(struct ktstr_worker *w)
{
        _Atomic uint32_t *lock = w->team->shared;
        const uint64_t hold = w->work->p[1], outside = w->work->p[2];

        for (;;) {
                worker_spin(outside);
                lock_take(lock);
                worker_spin(hold);
                lock_release(lock);
                worker_progress(w, hold + outside);
        }
}

const struct work_type work_type_MUTEX_CONTENTION = {
        .name = "MutexContention",
        .params = {{"contenders", 4, WORK_TEAM_MAX},
                   {"hold_iterations", 256, WORK_ITERATIONS_MAX},
                   {"work_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = team_size,
        .shared_size = shared_size,
        .run = mutex_contention,
};
