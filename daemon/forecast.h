/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long a job that waits will wait, about.
 *
 * A run is expected to take its workload's duration and what runs took besides it of late (booting,
 * attaching, stopping); a command what commands took of late; none more than its timeout. Where only one of
 * the two is known it stands for the other. Each job weighs as much as the share of the host that it takes,
 * of the vCPUs or of the memory, whichever is more; one that wants
 * the host to itself as all of it. What those that run have left and what those ahead will
 * take, by these weights, has to be worked off before it is a job's turn.
 *
 * That is all: room that nobody fits into is not counted, nor that those that run end one by one. As long as
 * no job has ended nothing is known, but where nothing runs and nobody is ahead there is nothing to wait
 * for.
 */

#include "admission.h"

#define FORECAST_UNKNOWN (-1)

/* Of those that ended, each new one for a quarter. */
struct forecast_times {
        bool run_known, command_known;
        double run_besides_ms; /* the workload */
        double command_ms;
};

/* One has gone all its way, in this time. A run that was over before its workload can have been says
 * nothing. */
void forecast_learn(struct forecast_times *t, const struct admission_job *job, uint64_t took_ms);

/* Milliseconds that a job will run, all in all; FORECAST_UNKNOWN. */
double forecast_expect(const struct forecast_times *t, const struct admission_job *job);

/* Fill in ahead (jobs before it) and wait_ms (or FORECAST_UNKNOWN) of all that wait. O(jobs × log users). */
void forecast(struct admission *a, const struct forecast_times *t, const struct admission_capacity *capacity,
              uint64_t now_ms);
