/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rt_budget.h"

#include <sched.h>

#include "../proto/bodymsg.h"
#include "agent.h"

void rt_budget_init(struct rt_budget *b, pid_t pid)
{
        *b = (struct rt_budget){.pid = pid, .window_ns = agent_now_ns()};
        if (clock_getcpuclockid(pid, &b->clock) != 0)
                b->pid = 0;
}

enum rt_budget_step rt_budget_decide(struct rt_budget *b, uint64_t now_ns, uint64_t used_ns)
{
        const uint64_t used = used_ns - b->used_ns, elapsed = now_ns - b->window_ns;
        const bool over = elapsed >= RT_BUDGET_WINDOW_NS;
        /* The agent may not have looked for a while: while it stopped a scheduler, say. */
        const double windows = over ? (double)elapsed / RT_BUDGET_WINDOW_NS : 1;
        enum rt_budget_step step = RT_BUDGET_NOTHING;

        if (!b->held && (double)used > RT_BUDGET_NS * windows)
                step = RT_BUDGET_HOLD;
        else if (b->held && over && (double)used < RT_BUDGET_CALM_NS * windows)
                step = RT_BUDGET_RELEASE;
        if (step != RT_BUDGET_NOTHING)
                b->held = step == RT_BUDGET_HOLD;
        if (over || step == RT_BUDGET_HOLD) {
                b->window_ns = now_ns;
                b->used_ns = used_ns;
        }
        return step;
}

void rt_budget_look(struct rt_budget *b)
{
        const struct sched_param ordinary = {}, realtime = {.sched_priority = KT_BODY_PRIORITY};
        struct timespec used;

        if (b->pid <= 0 || clock_gettime(b->clock, &used) < 0)
                return;
        switch (rt_budget_decide(b, agent_now_ns(),
                                 (uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec)) {
        case RT_BUDGET_HOLD:
                sched_setscheduler(b->pid, SCHED_OTHER, &ordinary);
                break;
        case RT_BUDGET_RELEASE:
                sched_setscheduler(b->pid, SCHED_FIFO | SCHED_RESET_ON_FORK, &realtime);
                break;
        case RT_BUDGET_NOTHING:
                break;
        }
}
