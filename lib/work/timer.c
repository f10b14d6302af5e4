/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* TimerLatency, in the way of cyclictest: how late it runs behind the absolute time that its timer is set
 * to. A unit is a tick. */

#include <sys/prctl.h>

#include "limits.h"
#include "period.h"
#include "types.h"

static void timer_latency(struct ktstr_worker *w)
{
        const uint64_t period_ns = w->work->p[0] * 1000;
        uint64_t now = worker_now_ns(), tick = now;

        /* Else the kernel may let its timer come 50 us late so that it coincides with others, and that is
         * not the scheduler's. */
        prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        for (;;) {
                tick = period_next(tick, period_ns, now);
                now = worker_sleep_until(w, tick);
                ktstr_worker_wake_latency(w, now - tick);
                worker_progress(w, 1);
        }
}

const struct work_type work_type_TIMER_LATENCY = {
        .name = "TimerLatency",
        .params = {{"period_us", 1000, WORK_MS_MAX * 1000}},
        .run = timer_latency,
};
