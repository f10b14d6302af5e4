/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * Another timeout for sched_ext's watchdog than the scheduler asks for: its `timeout_ms` is changed on the way into the kernel.
 *
 *   scheduler:   bpf(BPF_MAP_UPDATE_ELEM) ── seccomp ──▶ waits ─────────────────────────────────▶ goes on
 *   supervisor:                                          looks whether it is of a struct_ops map of
 *                                                        sched_ext's, and writes into what it hands over
 *
 * What is started with it has a seccomp filter that lets all calls pass but for that one, of which a process of ours is told; its
 * children have the filter too. The supervisor is real-time as the agent is: a scheduler that restarts itself must not wait for
 * itself. It ends with the last one that has the filter.
 *
 * Each such call costs two switches to another process, also those that are of no interest: the filter sees the numbers that are
 * passed, and no memory. Programs make few once they are loaded; where none is wanted there is no filter.
 *
 * Not done: to write the kernel's `scx_watchdog_timeout` from the host when the scheduler has attached. The watchdog's work was queued with
 * the timeout of then and comes no sooner; and as soon as less than half of the old one is in force, the tick that watches the watchdog finds
 * that it "failed to check in" and throws a sound scheduler out.
 */
/* clang-format on */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "../common/error.h"

struct timeout_found;

/* What is wanted, and what came of it. */
struct timeout_override {
        uint32_t timeout_ms; /* 0: none is wanted */
        bool at_most;        /* a scheduler whose own is shorter keeps it */
        int fd;              /* the supervisor's end, for spawn.keep_fd of what is started; 0: none */
        pid_t supervisor;    /* the last one's, our child, until it is collected; 0: none */
        struct timeout_found *found;
};

/* wish: the `watchdog` object of the JOB; NULL: none is wanted, and everything below does nothing. */
void timeout_override_init(struct timeout_override *o, struct json_object *wish);
void timeout_override_done(struct timeout_override *o);

/* Nothing of the last start counts, nor how its supervisor ends. */
void timeout_override_forget(struct timeout_override *o);

/* Before something is started: a supervisor for it. 0, or -errno with a text. */
int timeout_override_begin(struct timeout_override *o, struct kt_error *reterr);
/* It was started, or not. */
void timeout_override_end(struct timeout_override *o);

/* In what is started, before it executes: take on the filter, and hand the supervisor its side of it through
 * SPAWN_KEPT_FD, which is closed. What fails is among what was found. -errno, said on stderr: the filter is
 * in force and nobody answers to it, so that the kernel would refuse what it tells of: it must not execute.
 */
int timeout_override_join(const struct timeout_override *o);

/* Note how the last supervisor has ended, if it has. Its pid while it is not collected; 0: there is none.
 * Quick. */
pid_t timeout_override_collect(struct timeout_override *o);

/* Has the supervisor ended before what it watches? What was started may have failed for that, and the reason
 * is set then. */
bool timeout_override_is_lost(struct timeout_override *o, struct kt_error *reterr);

/* After the scheduler attached. 1: its own timeout, *ret_own_ms, was replaced; 0: it is as wished by itself,
 * or none was wished; -errno: it is the scheduler's own, and why. */
int timeout_override_result(const struct timeout_override *o, uint32_t *ret_own_ms, struct kt_error *reterr);

/* What a scheduler's timeout_ms becomes. For tests. */
uint32_t timeout_override_decide(const struct timeout_override *o, uint32_t own_ms);
