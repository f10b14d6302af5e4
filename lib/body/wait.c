/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wait.h"

#include <errno.h>

#include "workload.h"

#define NS_PER_MS 1000000ULL
#define TICK_MS 10
#define LONG_MS 3600000ULL

uint64_t wait_deadline_ns(uint64_t ms)
{
        const uint64_t now = worker_now_ns();

        return ms > (UINT64_MAX - now) / NS_PER_MS ? UINT64_MAX : now + ms * NS_PER_MS;
}

int wait_until(struct run *r, uint64_t until_ns)
{
        for (;;) {
                uint64_t now = worker_now_ns(), left_ms;

                if (conversation_over(&r->b->talk))
                        return RUN_OVER;
                if (now >= until_ns)
                        return 0;
                left_ms = (until_ns - now) / NS_PER_MS + 1;
                conversation_poll(&r->b->talk, (int)(left_ms < LONG_MS ? left_ms : LONG_MS));
        }
}

int wait_for(struct run *r, bool (*done)(struct run *r, void *data), void *data)
{
        uint64_t last = wait_deadline_ns(r->b->watchdog_ms);

        /* Most of it is done within a millisecond. */
        for (int pause_ms = 1;; pause_ms = pause_ms < TICK_MS ? pause_ms + 1 : TICK_MS) {
                if (done(r, data))
                        return 0;
                if (conversation_over(&r->b->talk))
                        return RUN_OVER;
                if (worker_now_ns() >= last)
                        return -ETIMEDOUT;
                conversation_poll(&r->b->talk, pause_ms);
        }
}

int wait_for_end(struct run *r, bool (*done)(struct run *r, void *data), void *data)
{
        uint64_t last = wait_deadline_ns(r->b->watchdog_ms);
        bool over = false;

        for (int pause_ms = 1; !done(r, data); pause_ms = pause_ms < TICK_MS ? pause_ms + 1 : TICK_MS) {
                uint64_t now = worker_now_ns();

                if (now >= last)
                        return over ? RUN_OVER : -ETIMEDOUT;
                if (!over && conversation_over(&r->b->talk)) {
                        over = true;
                        last = wait_deadline_ns(WAIT_GRACE_MS);
                }
                conversation_poll(&r->b->talk, pause_ms);
        }
        return 0;
}

static bool goes_on(struct run *r, void *data)
{
        bool *said = data;

        if (!workload_is_stuck(r))
                return true;
        if (!*said)
                body_event(r->b, "note", "text",
                           "workers stand still at the workload's end: waiting for the kernel's watchdog",
                           NULL, NULL);
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
