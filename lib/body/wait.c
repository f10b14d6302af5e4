/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is waited for: a time, or what only the kernel or a scheduler can bring about. */
#include <errno.h>

#include "run.h"

#define NS_PER_MS 1000000ULL
#define TICK_MS 10
#define LONG_MS 3600000ULL

int wait_until(struct run *r, uint64_t until_ns)
{
        for (;;) {
                uint64_t now = worker_now_ns(), left_ms;

                if (conversation_over(&r->b->talk))
                        return -ECANCELED;
                if (now >= until_ns)
                        return 0;
                left_ms = (until_ns - now) / NS_PER_MS + 1;
                conversation_poll(&r->b->talk, (int)(left_ms < LONG_MS ? left_ms : LONG_MS));
        }
}

int wait_for(struct run *r, bool (*done)(struct run *r, void *data), void *data)
{
        uint64_t last = worker_now_ns() + r->b->watchdog_ms * NS_PER_MS;

        /* Most of it is done within a millisecond. */
        for (int pause_ms = 1;; pause_ms = pause_ms < TICK_MS ? pause_ms + 1 : TICK_MS) {
                if (done(r, data))
                        return 0;
                if (conversation_over(&r->b->talk))
                        return -ECANCELED;
                if (worker_now_ns() >= last)
                        return -ETIMEDOUT;
                conversation_poll(&r->b->talk, pause_ms);
        }
}

static bool goes_on(struct run *r, void *data)
{
        bool *said = data;

        if (!workload_is_stuck(r))
                return true;
        if (!*said)
                body_event(r->b, "note", "text",
                           "workers stand still at the workload's end: waiting for the kernel's watchdog");
        *said = true;
        return false;
}

int wait_for_progress(struct run *r)
{
        bool said = false;
        int e;

        if (!r->b->ctx.scheduler)
                return 0;
        e = wait_for(r, goes_on, &said);
        /* The checks tell what it came to. */
        return e == -ETIMEDOUT ? 0 : e;
}
