/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The agent: one process, one thread, one poll loop. Everything that must go on while something else is
 * waited for – output to forward, the kernel's log, a CANCEL from the host, the body's real-time budget –
 * happens in agent_poll(), which every wait calls.
 *
 * It runs as SCHED_FIFO 99: under a BPF scheduler that stalls, every SCHED_OTHER task starves, and a test's
 * workers may be real-time themselves; the one that is to report it must not starve. It sleeps nearly
 * always, so it takes nothing from the workload. What it forks is SCHED_OTHER again (SCHED_RESET_ON_FORK);
 * but for the test's body, which is SCHED_FIFO 98, so that one that spins cannot keep the agent from ending
 * it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kmsg.h"
#include "port.h"
#include "stream.h"

/* Of a scheduler, of those that it replaced and that left a child behind, of commands, of the test's body.
 */
#define AGENT_STREAMS_MAX 32
#define AGENT_WAKES_MAX 2

/* Sets of streams by their ids. */
#define AGENT_SCHEDULERS (1U << KT_OUTPUT_SCHED_STDOUT | 1U << KT_OUTPUT_SCHED_STDERR)
#define AGENT_TESTS (1U << KT_OUTPUT_STDOUT | 1U << KT_OUTPUT_STDERR)

struct rt_budget;

struct agent {
        struct port port;
        struct kmsg kmsg;
        struct stream streams[AGENT_STREAMS_MAX];
        /* What also wakes agent_poll() when there is something to read (a pidfd: its end); -1: none. Set
         * only by who takes what is there then: else nobody would sleep any more. Their owners'. */
        int wake_fds[AGENT_WAKES_MAX];
        struct rt_budget
                *rt_budget; /* of who must not keep the others from running; borrowed, NULL: nobody */
        bool cancelled;     /* the host said CANCEL, or is gone */
        /* When the guest was let run for its job, by agent_now_ns(): 0 for one that booted, which is when
         * that clock begins. */
        uint64_t begin_ns;
};

void agent_init(struct agent *a);

/* CLOCK_MONOTONIC in ns. */
uint64_t agent_now_ns(void);

/* Forward from now on what comes out of fd (taken over); see stream.h. */
void agent_add_stream(struct agent *a, int fd, uint8_t id, uint64_t max, struct stream_line *line);

/* Forward what has been printed up to now by those that are noted in this line, which is not used any more.
 */
void agent_end_line(struct agent *a, const struct stream_line *line);

/* Those of these ids end now, whoever has still hold of them. */
void agent_close_streams(struct agent *a, unsigned ids);

/* Wait at most timeout_ms for something to forward, and forward it. Returns when the time is over or
 * something was done. */
void agent_poll(struct agent *a, int timeout_ms);

/* Forward until all streams of these ids have ended, but for at most timeout_ms, and what is there then. */
void agent_drain(struct agent *a, unsigned ids, int timeout_ms);

/* Send an EVENT: `{"t_ns": …, "kind": kind, …fields}`; fields is JSON text without braces, or NULL. */
void agent_event(struct agent *a, const char *kind, const char *fields_fmt, ...)
        __attribute__((format(printf, 3, 4)));
