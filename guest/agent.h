/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The agent: one process, one thread, one poll loop. Everything that must go on while something else is
 * waited for – output to forward, the kernel's log, a CANCEL from the host – happens in agent_poll(), which
 * every wait calls.
 *
 * It runs as SCHED_FIFO 1: under a BPF scheduler that stalls, every SCHED_OTHER task starves, and the one
 * that is to report it must not. It sleeps nearly always, so it takes nothing from the workload. What it
 * forks is SCHED_OTHER again (SCHED_RESET_ON_FORK).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kmsg.h"
#include "port.h"

#define AGENT_STREAMS_MAX 4

/* A pipe whose bytes go to the host. */
struct stream {
        int fd;     /* owned; -1: none */
        uint8_t id; /* enum kt_output_stream */
};

struct agent {
        struct port port;
        struct kmsg kmsg;
        struct stream streams[AGENT_STREAMS_MAX];
        int child_fd;   /* a pidfd whose end also wakes agent_poll(), or -1; its owner's */
        bool cancelled; /* the host said CANCEL, or is gone */
        /* When the guest was let run for its job, by agent_now_ns(): 0 for one that booted, which is when
         * that clock begins. */
        uint64_t begin_ns;
};

void agent_init(struct agent *a);

/* CLOCK_MONOTONIC in ns. */
uint64_t agent_now_ns(void);

/* Forward from now on what comes out of fd (taken over). */
void agent_add_stream(struct agent *a, int fd, uint8_t id);

/* Wait at most timeout_ms for something to forward, and forward it. Returns when the time is over or
 * something was done. */
void agent_poll(struct agent *a, int timeout_ms);

/* Forward until all streams have ended, but for at most timeout_ms. */
void agent_drain(struct agent *a, int timeout_ms);

/* Send an EVENT: `{"t_ns": …, "kind": kind, …fields}`; fields is JSON text without braces, or NULL. */
void agent_event(struct agent *a, const char *kind, const char *fields_fmt, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Start a program, as it wants to be started: SCHED_OTHER, own process group, default signals, no
 * descriptors but 0 to 2. stdin is /dev/null; stdout and stderr are pipes that become streams out_id and
 * err_id. child(data) runs in the new process: it has to exec, and what follows if that fails has to be said
 * on stderr; then it returns. The pid, or -errno.
 *
 * As with vfork(2), child shares our memory and we wait until it has exec'ed: copying our page tables would
 * be a fifth of what a short command takes under emulation. So this is for when no scheduler under test may
 * keep the child from running.
 */
pid_t agent_spawn(struct agent *a, uint8_t out_id, uint8_t err_id, void (*child)(void *data), void *data);
