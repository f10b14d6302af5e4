/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A scenario under way. What is done in it returns 0 or -errno with a line of text, which becomes the test's
 * message: an error of the test's. Two are the scheduler's failure, where there is one: -ETIMEDOUT, that
 * what takes a CPU has not come to pass in the time that the kernel's own watchdog gives a scheduler, and
 * -EPROTO, that it did not attach or let go when it was to.
 */

#include "state.h"

/* It is over, and why is known to the agent. */
#define RUN_OVER (-ECANCELED)
/* Why was said already; with the outcome in `said`. */
#define RUN_SAID (-EREMOTEIO)

struct run {
        struct ktstr_body *b;
        const struct ktstr_scenario *scenario;
        unsigned number;
        bool in_step;                  /* what is made now goes at the step's end */
        const struct ktstr_step *step; /* while its operations come before its cgroups; else NULL */
        enum ktstr_outcome said;
        enum ktstr_outcome payloads; /* the worst of those that have ended */
        struct ktstr_cpus offline;   /* CPUs that were taken offline */

        uint64_t n_planned; /* define.c's own: workers */

        /* workload.c's own */
        bool stuck, unreaped;
        unsigned n_working;
};

/* The one of that name, borrowed; or -ENOENT, "there is no cgroup 'x'; there are: a, b". */
int run_find(struct run *r, const char *name, struct group **ret, struct kt_error *reterr);
