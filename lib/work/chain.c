/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A ring in which a turn goes round: who has it spins, wakes the next and waits to have it again. Just one
 * of a ring is runnable at any time. FutexPingPong is a ring of two, WakeChain one of any length. A unit is
 * a spin iteration. */

#include <errno.h>

#include "limits.h"
#include "types.h"

/* One worker's place in it. */
struct seat {
        _Alignas(64) _Atomic uint32_t turn; /* 1: it is this one's */
        _Atomic uint64_t given_ns;
};

static void seat_give(struct seat *seat)
{
        atomic_store(&seat->given_ns, worker_now_ns());
        atomic_store(&seat->turn, 1);
        worker_futex_wake(&seat->turn, 1);
}

static void seat_await(struct ktstr_worker *w, struct seat *seat)
{
        bool slept;
        uint64_t now;

        worker_wait_begins(w, &seat->given_ns);
        slept = worker_futex_wait(&seat->turn, 0);
        now = worker_wait_ended(w);
        if (slept)
                ktstr_worker_wake_latency(w, now - atomic_load(&seat->given_ns));
        atomic_store(&seat->turn, 0);
}

static void go_round(struct ktstr_worker *w, uint64_t spin)
{
        struct seat *seats = w->team->shared, *own = &seats[w->team_index],
                    *next = &seats[(w->team_index + 1) % w->team_size];

        if (w->team_index == 0)
                seat_give(own);
        for (;;) {
                seat_await(w, own);
                worker_spin(spin);
                worker_progress(w, spin);
                seat_give(next);
        }
}

static void futex_ping_pong(struct ktstr_worker *w)
{
        go_round(w, w->work->p[0]);
}

static unsigned ping_pong_team_size(const struct ktstr_work *work)
{
        return 2;
}

static size_t ping_pong_shared_size(const struct ktstr_work *work)
{
        return 2 * sizeof(struct seat);
}

static void wake_chain(struct ktstr_worker *w)
{
        go_round(w, w->work->p[1]);
}

static unsigned wake_chain_team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0];
}

static size_t wake_chain_shared_size(const struct ktstr_work *work)
{
        return work->p[0] * sizeof(struct seat);
}

static int wake_chain_validate(const struct ktstr_work *work, const struct ktstr_topo *topo,
                               struct kt_error *reterr)
{
        if (work->p[0] >= 2)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL, "WakeChain: length is at least 2, got %llu",
                            (unsigned long long)work->p[0]);
}

const struct work_type work_type_FUTEX_PING_PONG = {
        .name = "FutexPingPong",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = ping_pong_team_size,
        .shared_size = ping_pong_shared_size,
        .run = futex_ping_pong,
};
const struct work_type work_type_WAKE_CHAIN = {
        .name = "WakeChain",
        .params = {{"length", 4, WORK_TEAM_MAX}, {"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = wake_chain_team_size,
        .validate = wake_chain_validate,
        .shared_size = wake_chain_shared_size,
        .run = wake_chain,
};
