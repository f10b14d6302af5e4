/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PriorityInversion, in the way of pi_stress: three on one CPU. Low (nice 19) holds a lock that inherits
 * priorities for so much of CPU time, high (SCHED_FIFO) wants it, middle (nice 0) spins. While high waits,
 * the kernel makes low real-time: it leaves the scheduler under test in the midst of running and comes back
 * to it when it lets the lock go, which is where things go wrong. Where it is not lent the priority, middle
 * keeps low from running and high with it. A unit is a spin iteration.
 */

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../cpus.h"
#include "bind.h"
#include "limits.h"
#include "period.h"
#include "rt.h"
#include "types.h"

#define CHUNK 1024U

enum {
        LOW,
        MIDDLE,
        HIGH,
        TEAM,
};

static unsigned team_size(const struct ktstr_work *work)
{
        return TEAM;
}

static const char *role(unsigned team_index)
{
        static const char *const roles[TEAM] = {[LOW] = "low", [MIDDLE] = "middle", [HIGH] = "high"};

        return roles[team_index];
}

/* The lock: 0, or the holder's thread id, which the kernel knows it by. */
static size_t shared_size(const struct ktstr_work *work)
{
        return sizeof(_Atomic uint32_t);
}

static void take(struct ktstr_worker *w, _Atomic uint32_t *lock)
{
        uint32_t free = 0;

        if (atomic_compare_exchange_strong(lock, &free, (uint32_t)gettid()))
                return;
        while (syscall(SYS_futex, lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) < 0) {
                if (errno == ESRCH) /* who held it is gone */
                        worker_orphaned();
                if (errno != EINTR && errno != EAGAIN)
                        worker_die(w, "cannot take a lock that inherits priorities: %s", strerror(errno));
        }
}

static void give_back(struct ktstr_worker *w, _Atomic uint32_t *lock)
{
        uint32_t own = (uint32_t)gettid();

        if (atomic_compare_exchange_strong(lock, &own, 0))
                return;
        while (syscall(SYS_futex, lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) < 0)
                if (errno != EINTR && errno != EAGAIN)
                        worker_die(w, "cannot give back a lock that inherits priorities: %s",
                                   strerror(errno));
}

static uint64_t cpu_ns(void)
{
        struct timespec used;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return (uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec;
}

static void low(struct ktstr_worker *w, _Atomic uint32_t *lock)
{
        const uint64_t hold_ns = w->work->p[0] * 1000;

        if (setpriority(PRIO_PROCESS, 0, 19) < 0)
                worker_die(w, "cannot have nice 19: %s", strerror(errno));
        for (;;) {
                const uint64_t from = cpu_ns();

                take(w, lock);
                do {
                        worker_spin(CHUNK);
                        worker_progress(w, CHUNK);
                } while (cpu_ns() - from < hold_ns);
                give_back(w, lock);
                worker_sleep_until(w, worker_now_ns() + hold_ns);
        }
}

static void high(struct ktstr_worker *w, _Atomic uint32_t *lock)
{
        const uint64_t period_ns = w->work->p[1] * 1000;
        uint64_t now = worker_now_ns(), tick = now;

        rt_become(w);
        for (;;) {
                tick = period_next(tick, period_ns, now);
                worker_sleep_until(w, tick);
                take(w, lock);
                worker_spin(CHUNK);
                give_back(w, lock);
                now = worker_progress(w, CHUNK);
        }
}

static void priority_inversion(struct ktstr_worker *w)
{
        _Atomic uint32_t *lock = w->team->shared;
        const struct ktstr_cpus allowed = bind_allowed(w);
        int r = bind_to(cpus_nth(&allowed, w->index / TEAM));

        if (r < 0)
                worker_die(w, "cannot bind itself to its team's CPU: %s", strerror(-r));
        if (w->team_index == LOW)
                low(w, lock);
        if (w->team_index == HIGH)
                high(w, lock);
        worker_spin_until(w, UINT64_MAX);
}

const struct work_type work_type_PRIORITY_INVERSION = {
        .name = "PriorityInversion",
        .params = {{"hold_us", 5000, WORK_PERIOD_US_MAX}, {"period_us", 20000, WORK_PERIOD_US_MAX}},
        .team_size = team_size,
        .role = role,
        .shared_size = shared_size,
        .run = priority_inversion,
        .sets_policy = true,
};
