/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A scenario under way. What is done in it returns 0 or -errno with a line of text, which becomes the test's
 * message: an error of the test, or, where blame_scheduler was set, a failure of the scheduler. -ECANCELED:
 * it is over, and why is known to the agent.
 */

#include "state.h"

struct run {
        struct ktstr_body *b;
        const struct ktstr_scenario *scenario;
        unsigned number;
        bool in_step; /* what is made now goes at the step's end */
        bool blame_scheduler;

        /* workload.c's own */
        bool stuck, unreaped;
        unsigned n_working;
};

/* --- workload.c --- */

/* Let all workers go that wait at the gate. */
void workload_release(struct run *r);

/* Does any worker stand still that the scheduler should run? */
bool workload_is_stuck(struct run *r);

/* Stop those who work in groups that are `going`, all at one time, and collect them. -ECANCELED when it is
 * over before all are dead, -ETIMEDOUT when they do not die. */
int workload_stop(struct run *r);

/* --- wait.c --- */

/* Until then (CLOCK_MONOTONIC). -ECANCELED when it is over before. */
int wait_until(struct run *r, uint64_t until_ns);

/* Until done(data), but no longer than a scheduler that stalls is let by the kernel's own watchdog:
 * -ETIMEDOUT then. -ECANCELED when it is over. */
int wait_for(struct run *r, bool (*done)(struct run *r, void *data), void *data);

/* When workers stand still the scheduler has stalled, and the kernel's own watchdog will say so: wait for
 * that. -ECANCELED when it is over. */
int wait_for_progress(struct run *r);

/* --- define.c --- */

/* Make a cgroup with its workers, which wait at the gate. *ret may be NULL. */
int define_cgroups(struct run *r, const struct ktstr_cgroup *defs, unsigned n, struct kt_error *reterr);

/* End who is in the groups that are `going`, all at one time, and remove them. */
int remove_groups(struct run *r, struct kt_error *reterr);

/* --- step.c --- */

int step_run(struct run *r, const struct ktstr_step *step, unsigned number, struct kt_error *reterr);
