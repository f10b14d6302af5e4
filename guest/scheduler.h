/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The life of the scheduler under test: started, attached, watched, stopped – or what came in between.
 *
 *   scheduler_start() → scheduler_wait_attached() → (scheduler_look() while the workload runs) → scheduler_stop() or scheduler_settle()
 */
/* clang-format on */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"
#include "agent.h"
#include "scx.h"
#include "timeout_override.h"

struct scheduler {
        pid_t pid; /* 0: not started, or collected */
        pid_t reported_pid;
        bool started, attached, exited, ejected;
        int wait_status; /* when exited */
        char ops[SCX_NAME_MAX], state_after[SCX_NAME_MAX];
        char reason[128], message[512]; /* the kernel's words when it was disabled */
        int64_t attach_ms, stop_ms;
        int stop_signal;
        uint64_t started_ns, attached_ns, gone_ns; /* as far as we saw, gone by itself; 0: not */
        int attach_timeout_ms, stop_timeout_ms;
};

/* spec: the `sched` object of the JOB; o: its timeout. -errno when it cannot even be forked or sched_ext is
 * taken already. */
int scheduler_start(struct scheduler *s, struct agent *a, struct json_object *spec,
                    struct timeout_override *o, struct kt_error *reterr);

/* Until it is attached, has exited, its time is over, or the job was cancelled. True: attached. */
bool scheduler_wait_attached(struct scheduler *s, struct agent *a);

/* Is it still running and attached? Quick; notes it when not. */
bool scheduler_look(struct scheduler *s, struct agent *a);

/* It has ended by itself: note when, the first time. */
void scheduler_note_gone(struct scheduler *s);

/* It ended by itself: give the kernel and the process time to say their last words, then see that it is
 * gone. watchdog_ms: as of scheduler_stop(). */
void scheduler_settle(struct scheduler *s, struct agent *a, int watchdog_ms);

/* The same of one that is no process of ours, but a part of the kernel. */
void scheduler_settle_builtin(struct scheduler *s, struct agent *a);

/* SIGINT, its time, SIGKILL; until sched_ext is disabled, bounded: the kernel's own watchdog may take
 * watchdog_ms to throw out a scheduler that stalls. */
void scheduler_stop(struct scheduler *s, struct agent *a, int watchdog_ms);
