/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * What is under test: a scheduler that is a program, one that is part of the kernel, or nothing (EEVDF). A test may have it stopped, started
 * again, and replaced by another; what is reported is the one that was there last.
 *
 *   ABSENT ── subject_start() ──▶ RUNNING ◀──▶ DETACHED     (subject_stop(), subject_start(), _restart(), _replace())
 *                                    │
 *                                    ▼
 *                                  ENDED      by itself, by the kernel, or it came or left in a way that is its own failure
 */
/* clang-format on */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"
#include "agent.h"
#include "scheduler.h"

enum subject_state {
        SUBJECT_ABSENT,
        SUBJECT_RUNNING,
        SUBJECT_DETACHED, /* stopped by us */
        SUBJECT_ENDED,
};

struct subject {
        struct agent *agent;
        struct json_object *spec; /* owned: the `sched` of the JOB, or what replaced it; NULL: EEVDF */
        enum subject_state state;
        /* The program; of one that is part of the kernel only what sched_ext shows: attached, ops and the
         * like. */
        struct scheduler sched;
        int watchdog_ms; /* how long the kernel's own may take to throw out one that stalls */
        struct timeout_override timeout;
        uint32_t forced_timeout_ms; /* what replaced that of its last start; 0: it has its own */
        uint32_t told_own_ms;       /* what was said of it last: what it was instead of; 0: nothing */
        bool told_why_not;
        /* Of ENDED, static: "not_attached", "sched_exited", "sched_ejected"; "declaration_failed": a command
         * that enables or disables it failed, or its timeout could not be set; "setup_failed": what watches
         * over its timeout ended before it; or "done": it was told to
         * stop, and what its process or the kernel shows is to be judged. */
        const char *outcome;
        struct kt_error failure; /* of "declaration_failed" and "setup_failed" */
};

/* spec is borrowed from the JOB (NULL: EEVDF). */
void subject_init(struct subject *s, struct agent *a, struct json_object *spec, int watchdog_ms);
void subject_done(struct subject *s);

static inline bool subject_is_there(const struct subject *s)
{
        return s->spec != NULL;
}

/* Its name, for messages; "EEVDF" without one. Borrowed. */
const char *subject_name(const struct subject *s);

/* Start it, until it is attached. 0 (also when there is none); -ECHILD when it did not attach, which is
 * ENDED, or one of its commands failed; another -errno when we could not do our part. */
int subject_start(struct subject *s, struct kt_error *reterr);

/* Is it still as it should be? Quick. One that was detached is. */
bool subject_is_well(struct subject *s);

/* Has the kernel thrown it out? */
bool subject_was_ejected(const struct subject *s);

/* It is not well: let it and the kernel say their last words, and see that it is gone. ENDED. */
void subject_settle(struct subject *s);

/* Stop it, and wait until it is detached. When it did not go well – thrown out in the very moment, crashed
 * on the way, still attached – that is ENDED, and -ECHILD. Without one, or detached: 0. */
int subject_stop(struct subject *s, struct kt_error *reterr);

int subject_restart(struct subject *s, struct kt_error *reterr);

/* Another one in its place: a program with these arguments, the first one its path in the guest. */
int subject_replace(struct subject *s, const char *name, struct json_object *argv, struct kt_error *reterr);
