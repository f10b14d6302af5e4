/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Schbench: its pattern of messages. A worker thinks, puts itself on its messenger's list, wakes the
 * messenger and sleeps; the messenger wakes all that are on the list; a woken worker notes how long that
 * took and serves its request, which is to multiply matrices. A unit is a multiplication of two numbers, of
 * the messenger a message.
 */

#include "limits.h"
#include "matrix.h"
#include "types.h"

struct desk {
        _Alignas(64) _Atomic uint32_t called; /* 0: waits for a request */
        _Atomic uint64_t called_ns;
};

struct office {
        _Alignas(64) _Atomic uint32_t bell; /* changes with each that lines up */
        _Atomic uint64_t rung_ns;
        _Alignas(64) _Atomic uint64_t line[(WORK_TEAM_MAX + 64) / 64]; /* bitmap of who is on the list */
        struct desk desks[];                                           /* of the team, [0] not used */
};

static unsigned team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0] + 1;
}

static const char *role(unsigned team_index)
{
        return team_index == 0 ? "messenger" : "worker";
}

static size_t shared_size(const struct ktstr_work *work)
{
        return sizeof(struct office) + (work->p[0] + 1) * sizeof(struct desk);
}

static void call(struct desk *desk)
{
        atomic_store(&desk->called_ns, worker_now_ns());
        atomic_store(&desk->called, 1);
        worker_futex_wake(&desk->called, 1);
}

static unsigned call_all(struct office *office, unsigned team)
{
        unsigned n = 0;

        for (unsigned i = 0; i <= team / 64; i++) {
                uint64_t waiting = atomic_exchange(&office->line[i], 0);

                for (; waiting; waiting &= waiting - 1, n++)
                        call(&office->desks[i * 64 + (unsigned)__builtin_ctzll(waiting)]);
        }
        return n;
}

static void messenger(struct ktstr_worker *w, struct office *office)
{
        for (;;) {
                const uint32_t bell = atomic_load(&office->bell);
                const unsigned n = call_all(office, w->team_size - 1);

                if (n > 0) {
                        worker_progress(w, n);
                        continue;
                }
                worker_wait_begins(w, &office->rung_ns);
                worker_futex_wait(&office->bell, bell);
                worker_wait_ended(w);
        }
}

static void line_up(struct ktstr_worker *w, struct office *office)
{
        struct desk *desk = &office->desks[w->team_index];
        bool slept;
        uint64_t now;

        atomic_store(&desk->called, 0);
        atomic_fetch_or(&office->line[w->team_index / 64], 1ULL << (w->team_index % 64));
        atomic_store(&office->rung_ns, worker_now_ns());
        atomic_fetch_add(&office->bell, 1);
        worker_futex_wake(&office->bell, 1);
        worker_wait_begins(w, &desk->called_ns);
        slept = worker_futex_wait(&desk->called, 0);
        now = worker_wait_ended(w);
        if (slept)
                ktstr_worker_wake_latency(w, now - atomic_load(&desk->called_ns));
}

static void schbench(struct ktstr_worker *w)
{
        struct office *office = w->team->shared;
        const uint64_t think_ns = w->work->p[1] * 1000, operations = w->work->p[2];
        struct matrix m;

        if (w->team_index == 0)
                messenger(w, office);
        m = matrix_new(w, w->work->p[3]);
        for (;;) {
                line_up(w, office);
                for (uint64_t i = 0; i < operations; i++)
                        matrix_multiply(w, &m);
                worker_sleep_until(w, worker_now_ns() + think_ns);
        }
}

const struct work_type work_type_SCHBENCH = {
        .name = "Schbench",
        .params = {{"workers", 3, WORK_TEAM_MAX},
                   {"think_us", 30000, WORK_PERIOD_US_MAX},
                   {"operations", 2, WORK_OPERATIONS_MAX},
                   {"cache_kib", 16, WORK_KIB_MAX}},
        .team_size = team_size,
        .role = role,
        .shared_size = shared_size,
        .run = schbench,
};
