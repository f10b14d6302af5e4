/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The jobs that wait for room on this host: taking one in, starting what has room, and telling those who
 * wait where they stand. The order and what fits are admission.h's.
 *
 * A job has a slot, that is, its vCPUs and its memory count as taken, from when it is started until it ends.
 *
 * Those who watch a job that waits are told its place when it is submitted, and again when fewer are ahead:
 * of the last ten each step, before that each time that there are a quarter fewer, and never more often than
 * once a second. There is no timer for that: it is done as jobs start and end. So a job is told its place
 * some dozen times in all, however long the queue is.
 */

#include "job.h"

/* Take a job in. Takes the spec's content on success. Refuses what can never fit and what exceeds the
 * queue's limits. */
int jobs_submit(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr);

/* Can a guest of this size ever run here? KT_E_NEVER_FITS with the arithmetic. */
int queue_check_memory(const struct jobs *jobs, unsigned memory_mib, struct kt_error *reterr);

/* Start what fits. Called whenever a job came or ended and when the accelerator is known. */
void jobs_pump(struct jobs *jobs);

/* vCPUs that may run at once, all guests together; one job may exceed it that runs alone. Before the
 * accelerator is known, a guess. */
unsigned jobs_capacity_cpus(const struct jobs *jobs);

/* Memory that guests may have in all, and so the most that one may. */
uint64_t jobs_memory_mib(const struct jobs *jobs);

/* One that wants the host to itself runs, or waits and is first: no build of a kernel may begin now. */
bool jobs_want_no_build(const struct jobs *jobs);

/* Where a job that waits stands: jobs ahead of it, and for how long it will wait, about (FORECAST_UNKNOWN:
 * not known). False when it does not wait. */
bool job_place(struct job *job, unsigned *ret_ahead, int64_t *ret_wait_ms);

/* The job ends and its verdict is known: take it out of the queue, or free its slot, without starting
 * others. For job_end(). */
void queue_leave(struct job *job);
