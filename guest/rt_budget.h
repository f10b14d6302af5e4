/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bound for what a process takes as a real-time one. The test's body is one, so that a scheduler that
 * stalls does not keep it from looking after the test; but one that computes, or never ends, would keep the
 * scheduler from running what is its own on that CPU, and the kernel would throw it out for a stall that is
 * not its fault. So one that takes more than its share is an ordinary process until it has calmed down: what
 * the kernel's real-time throttling was for, which from Linux 6.12 on serves only the kernel's own
 * scheduler.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* So much CPU time in so much time, or in proportion when nobody looked for longer; times in ns. */
#define RT_BUDGET_NS 250000000ULL
#define RT_BUDGET_WINDOW_NS 1000000000ULL
/* Less than that in a whole window is calm. */
#define RT_BUDGET_CALM_NS 50000000ULL

struct rt_budget {
        pid_t pid;                   /* 0: none, or it has ended */
        clockid_t clock;             /* its CPU time */
        uint64_t window_ns, used_ns; /* when the window began, and what it had used by then */
        bool held;                   /* it is an ordinary process now */
};

/* For a process that is real-time as spawn_copy() makes it, and not collected yet. */
void rt_budget_init(struct rt_budget *b, pid_t pid);

/* Look, a few times in a window; cheap. agent_poll() does, at that of the agent. */
void rt_budget_look(struct rt_budget *b);

/* What is to be done at `now` to one that has used so much CPU time in all. For tests. */
enum rt_budget_step {
        RT_BUDGET_NOTHING,
        RT_BUDGET_HOLD,
        RT_BUDGET_RELEASE,
} rt_budget_decide(struct rt_budget *b, uint64_t now_ns, uint64_t used_ns);
