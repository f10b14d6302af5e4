/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The RESULT frame (proto/guestmsg.h). */

#include "agent.h"
#include "scheduler.h"
#include "worker.h"

struct report {
        const char *outcome;           /* static */
        const char *error;             /* for "setup_failed", or NULL */
        const struct scheduler *sched; /* NULL without one */
        const struct crew *crew;       /* NULL when none ran */
        const char *const *cgroups;    /* names by index */
        unsigned n_cgroups;
        bool exec;
        int exec_status; /* a wait status */
};

void report_send(struct agent *a, const struct report *r);
