/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Following a job's events to its verdict, whoever started it. */

#include "rpc.h"
#include "verb.h"

struct watch {
        const struct verb *verb;
        const struct globals *globals;
        bool verbose;   /* show all log lines */
        bool shell;     /* the command's output goes to ours byte for byte, nothing else to stdout */
        bool on_stderr; /* all that a person sees: stdout is for something else */
        bool build;     /* the job outlives its daemon */
        bool cancel_on_interrupt; /* else an interrupt only ends the watching */
        const char *what;         /* "scx_ktstr" or "EEVDF", for the verdict's head */
};

/* Receive until the verdict; returns the exit status. The call was sent already. A build whose private
 * daemon goes away is followed on, once, with another that is started (follow.h). */
int watch_job(const struct watch *w, struct rpc *rpc);
