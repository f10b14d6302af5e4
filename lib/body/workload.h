/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All the workers of a scenario: let go, looked after, stopped. */

#include "run.h"

/* Let all workers go that wait at the gate. */
void workload_release(struct run *r);

/* Does any worker stand still that the scheduler should run? */
bool workload_is_stuck(struct run *r);

/* Measure and stop those who work in groups that are `going`, all at one time, and collect them. 0; RUN_OVER
 * when it is over before all are dead, -ETIMEDOUT when they do not die. */
int workload_stop(struct run *r);

/* Those who work in g or below it have been frozen since then (CLOCK_MONOTONIC, ns). */
void workload_freeze(struct run *r, struct group *g, uint64_t since_ns);

/* They are to go on, but for those whom another cgroup keeps frozen: what they have missed is no gap. To be
 * called before. */
void workload_thaw(struct run *r, struct group *g);

/* The cpuset of g has changed, and all who work in it or below it use the new one. */
void workload_cpus_changed(struct run *r, struct group *g);

/* Call cb for each crew that works in g, until one fails: what that returned. data is handed on. */
int workload_for_each(struct run *r, struct group *g,
                      int (*cb)(struct run *r, struct group_crew *c, void *data, struct kt_error *reterr),
                      void *data, struct kt_error *reterr);
