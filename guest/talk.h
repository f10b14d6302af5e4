/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The conversation with a test's body (proto/bodymsg.h), from its first line to its result, or to why there is none.
 *
 * What the body does is forwarded as EVENTs; what it asks is done by whoever has the scheduler, and answered when it is done. It is told
 * to stop when its time is over, when the job is cancelled and when the scheduler is gone, and has a little time then to say what it has
 * measured.
 */
/* clang-format on */

#include "body.h"

enum talk_request {
        TALK_SCHED_STOP,
        TALK_SCHED_START,
        TALK_SCHED_RESTART,
        TALK_SCHED_REPLACE,
};

struct talk_ops {
        /* Is the scheduler as it should be? Asked a hundred times a second. */
        bool (*is_well)(void *userdata);
        /* It is not: was it thrown out by the kernel? Else it went by itself. */
        bool (*was_ejected)(void *userdata);
        /* Has it done what ends it at once, as its own fault? *reterr says what. Asked as often; NULL:
         * never.
         */
        bool (*has_run_wild)(void *userdata, struct kt_error *reterr);
        /* Do it. name and argv (borrowed): of TALK_SCHED_REPLACE. *ret_pid: of the scheduler that is
         * attached now; 0: none, or part of the kernel. May take as long as a scheduler may. -ECHILD: it is
         * the scheduler's fault that it failed; another -errno: not. */
        int (*request)(void *userdata, enum talk_request what, const char *name, struct json_object *argv,
                       pid_t *ret_pid, struct kt_error *reterr);
};

enum talk_end {
        TALK_DONE,       /* there is a result, and the body has exited as it should */
        TALK_FAILED,     /* it is the test's fault, or its program's, that there is none */
        TALK_SCHED_GONE, /* there may be a result */
        TALK_CANCELLED,
        TALK_MEMORY, /* the guest's memory ran out */
};

/* What a body is left, in ms. */
struct talk_grace {
        uint64_t stop_ms; /* once it was told to stop */
        uint64_t gone_ms; /* where it is the scheduler that ended */
        uint64_t exit_ms; /* from its result, or the end of what it says, to its exit */
};

struct talk {
        struct body *body;
        const struct talk_ops *ops;
        void *userdata;
        uint64_t timeout_ms;
        const struct talk_grace *grace; /* NULL: what every test has */

        struct json_object *result; /* owned; NULL: none came */
        bool sched_gone;
        const char *told_to_stop; /* static: the reason that it was told; NULL: it was not */
        uint64_t patience_ns;     /* when it is ended, once it was told to stop or has said its result */
        unsigned n_events;
};

/* begin: the agent's first line; taken. On TALK_FAILED *reterr says why. The body may still run afterwards,
 * and others that it started: body_kill(). */
enum talk_end talk_run(struct talk *t, struct json_object *begin, struct kt_error *reterr);

void talk_done(struct talk *t);
