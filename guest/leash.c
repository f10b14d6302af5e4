/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leash.h"

#include <sched.h>

#include "../proto/bodymsg.h"
#include "agent.h"

void leash_init(struct leash *l, pid_t pid)
{
        *l = (struct leash){.pid = pid, .window_ns = agent_now_ns()};
        if (clock_getcpuclockid(pid, &l->clock) != 0)
                l->pid = 0;
}

enum leash_step leash_decide(struct leash *l, uint64_t now_ns, uint64_t used_ns)
{
        const uint64_t used = used_ns - l->used_ns, elapsed = now_ns - l->window_ns;
        const bool over = elapsed >= LEASH_WINDOW_NS;
        /* The agent may not have looked for a while: while it stopped a scheduler, say. */
        const double windows = over ? (double)elapsed / LEASH_WINDOW_NS : 1;
        enum leash_step step = LEASH_NOTHING;

        if (!l->held && (double)used > LEASH_BUDGET_NS * windows)
                step = LEASH_HOLD;
        else if (l->held && over && (double)used < LEASH_CALM_NS * windows)
                step = LEASH_RELEASE;
        if (step != LEASH_NOTHING)
                l->held = step == LEASH_HOLD;
        if (over || step == LEASH_HOLD) {
                l->window_ns = now_ns;
                l->used_ns = used_ns;
        }
        return step;
}

void leash_look(struct leash *l)
{
        const struct sched_param ordinary = {}, realtime = {.sched_priority = KT_BODY_PRIORITY};
        struct timespec used;

        if (l->pid <= 0 || clock_gettime(l->clock, &used) < 0)
                return;
        switch (leash_decide(l, agent_now_ns(),
                             (uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec)) {
        case LEASH_HOLD:
                sched_setscheduler(l->pid, SCHED_OTHER, &ordinary);
                break;
        case LEASH_RELEASE:
                sched_setscheduler(l->pid, SCHED_FIFO | SCHED_RESET_ON_FORK, &realtime);
                break;
        case LEASH_NOTHING:
                break;
        }
}
