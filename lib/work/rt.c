/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Teams of one SCHED_FIFO worker and those that spin under the scheduler and have to do with what it leaves:
 * PreemptStorm, RtStarvation. A unit is a spin iteration.
 */

#include "rt.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../cpus.h"
#include "bind.h"
#include "limits.h"
#include "period.h"
#include "types.h"

#define CHUNK 1024U
/* Beyond that the kernel itself would stop real-time tasks (sched_rt_runtime_us). */
#define BUSY_PCT_MAX 95U
/* So many bursts on one victim's CPU, then the next one's. */
#define BURSTS_A_VICTIM 16U

static unsigned team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0] + 1;
}

void rt_become(struct ktstr_worker *w)
{
        const struct sched_param param = {.sched_priority = 1};

        if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
                worker_die(w, "SCHED_FIFO is refused: %s", strerror(errno));
}

static const char *storm_role(unsigned team_index)
{
        return team_index == 0 ? "storm" : "victim";
}

/* Where each victim of PreemptStorm runs: the team's shared memory. */
static size_t storm_shared_size(const struct ktstr_work *work)
{
        return (work->p[0] + 1) * sizeof(_Atomic uint32_t);
}

/* It goes to where a victim runs: left alone, it would be given idle CPUs and preempt nobody. */
static void storm(struct ktstr_worker *w, const _Atomic uint32_t *cpus)
{
        const uint64_t period_ns = w->work->p[1] * 1000, burst_ns = w->work->p[2] * 1000;
        uint64_t now = worker_now_ns(), tick = now;

        rt_become(w);
        for (unsigned i = 0;; i++) {
                if (i % BURSTS_A_VICTIM == 0) {
                        const unsigned victim = 1 + i / BURSTS_A_VICTIM % (w->team_size - 1);

                        /* -EINVAL: that CPU has just gone. */
                        bind_to(atomic_load_explicit(&cpus[victim], memory_order_relaxed));
                }
                tick = period_next(tick, period_ns, now);
                now = worker_sleep_until(w, tick);
                worker_spin_until(w, now + burst_ns);
                now = worker_now_ns();
        }
}

static void preempt_storm(struct ktstr_worker *w)
{
        _Atomic uint32_t *cpus = w->team->shared;

        if (w->team_index == 0)
                storm(w, cpus);
        for (;;) {
                worker_spin(CHUNK);
                worker_progress(w, CHUNK);
                atomic_store_explicit(&cpus[w->team_index],
                                      atomic_load_explicit(&w->counters->last_cpu, memory_order_relaxed),
                                      memory_order_relaxed);
        }
}

static int storm_validate(const struct ktstr_work *work, const struct ktstr_topo *topo,
                          struct kt_error *reterr)
{
        if (work->p[2] < work->p[1])
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL,
                            "PreemptStorm: burst_us is less than period_us, got %llu and %llu",
                            (unsigned long long)work->p[2], (unsigned long long)work->p[1]);
}

static const char *starvation_role(unsigned team_index)
{
        static const char *const roles[] = {"real-time", "bound victim"};

        return team_index < KT_ARRAY_SIZE(roles) ? roles[team_index] : "victim";
}

static void starve(struct ktstr_worker *w)
{
        const uint64_t period_ns = w->work->p[2] * 1000, busy_ns = period_ns / 100 * w->work->p[1];
        uint64_t now = worker_now_ns(), tick = now;

        rt_become(w);
        for (;;) {
                worker_spin_until(w, now + busy_ns);
                now = worker_now_ns();
                tick = period_next(tick, period_ns, now);
                now = worker_sleep_until(w, tick);
        }
}

/* The first victim is bound to the same CPU, and has what is left of it; the others are free to be moved
 * away, and a scheduler that leaves them there is seen. */
static void rt_starvation(struct ktstr_worker *w)
{
        const struct ktstr_cpus allowed = bind_allowed(w);

        int r = w->team_index <= 1 ? bind_to(cpus_nth(&allowed, w->index / w->team_size)) : 0;

        if (r < 0)
                worker_die(w, "cannot bind itself to its team's CPU: %s", strerror(-r));
        if (w->team_index == 0)
                starve(w);
        worker_spin_until(w, UINT64_MAX);
}

const struct work_type work_type_PREEMPT_STORM = {
        .name = "PreemptStorm",
        .params = {{"victims", 3, WORK_TEAM_MAX},
                   {"period_us", 500, WORK_PERIOD_US_MAX},
                   {"burst_us", 100, WORK_PERIOD_US_MAX}},
        .team_size = team_size,
        .role = storm_role,
        .shared_size = storm_shared_size,
        .validate = storm_validate,
        .run = preempt_storm,
        .sets_policy = true,
};
const struct work_type work_type_RT_STARVATION = {
        .name = "RtStarvation",
        .params = {{"victims", 3, WORK_TEAM_MAX},
                   {"busy_pct", 90, BUSY_PCT_MAX},
                   {"period_us", 100000, WORK_PERIOD_US_MAX}},
        .team_size = team_size,
        .role = starvation_role,
        .run = rt_starvation,
        .sets_policy = true,
};
