/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Several jobs of one command, each on a connection of its own, followed to their ends: at most `max` run or
 * wait in the daemon at a time, fewer where so many connections cannot be open, the others follow as these
 * end. One that the daemon has no room for
 * (KT_E_BUSY) is sent again when there may be some (pace.h). What is shown of them is for the callbacks.
 *
 * The first interrupt cancels all, the next does not wait for their verdicts.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "rpc.h"
#include "verb.h"

/* How a job ended, or why it never began. */
struct flight_end {
        const char *word;             /* a verdict's: "pass", "error", "cancelled", …; static */
        bool begun;                   /* it was sent, and not refused for want of room */
        struct json_object *verdict;  /* borrowed; NULL: it has none */
        const struct kt_error *error; /* why it has none; NULL then too: it was cancelled */
        int status;                   /* the exit status that it is worth */
};

struct flight {
        const struct globals *globals; /* for cancelling */
        size_t n, max;
        /* Counted up by on_end(), to at most n: jobs n, n + 1, … come of others, and are sent before those
         * that have not begun. */
        size_t n_more;
        void *userdata;
        /* Send the call of job i and give the connection on which its events come; once more for one that
         * the daemon had no room for. -errno with a text: it ends so. */
        int (*send)(void *userdata, size_t i, struct rpc *ret, struct kt_error *reterr);
        /* An event, the verdict's too, which comes before on_end(). May be changed; not kept. */
        void (*on_event)(void *userdata, size_t i, struct json_object *event);
        /* Exactly once for each job; for those that never began at the very end. */
        void (*on_end)(void *userdata, size_t i, const struct flight_end *end);
        /* To be set by a callback: no more are begun, and those that run are cancelled. */
        bool stop;
};

/* Run all. 1: an interrupt came, 0: none; -ENOMEM: nothing was run. */
int flight_run(struct flight *f);
