/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What only computes, yields and sleeps: CpuSpin, YieldHeavy, Mixed, Bursty. A unit is a spin iteration, of
 * YieldHeavy a yield. */

#include <sched.h>

#include "limits.h"
#include "types.h"

#define CHUNK 1024U

static void cpu_spin(struct ktstr_worker *w)
{
        worker_spin_until(w, UINT64_MAX);
}

static void yield_heavy(struct ktstr_worker *w)
{
        for (;;) {
                sched_yield();
                worker_progress(w, 1);
        }
}

static void mixed(struct ktstr_worker *w)
{
        for (;;) {
                worker_spin(CHUNK);
                worker_progress(w, CHUNK);
                sched_yield();
        }
}

static void bursty(struct ktstr_worker *w)
{
        const uint64_t burst_ns = w->work->p[0] * 1000000, sleep_ns = w->work->p[1] * 1000000;
        uint64_t now = worker_now_ns();

        for (;;) {
                worker_spin_until(w, now + burst_ns);
                now = worker_sleep_until(w, worker_now_ns() + sleep_ns);
        }
}

const struct work_type work_type_CPU_SPIN = {.name = "CpuSpin", .run = cpu_spin};
const struct work_type work_type_YIELD_HEAVY = {.name = "YieldHeavy", .run = yield_heavy};
const struct work_type work_type_MIXED = {.name = "Mixed", .run = mixed};
const struct work_type work_type_BURSTY = {
        .name = "Bursty",
        .params = {{"burst_ms", 50, WORK_MS_MAX}, {"sleep_ms", 100, WORK_MS_MAX}},
        .run = bursty,
};
