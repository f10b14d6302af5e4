/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The jobs that wait for room on this host: taking one in, and starting what has room. */

#include "job.h"

/* Take a job in. Takes the spec's content on success. Refuses what can never fit and what exceeds the
 * queue's limits. */
int jobs_submit(struct jobs *jobs, struct job_spec *spec, struct job **ret, struct kt_error *reterr);

/* Start what fits. Called whenever a job came or ended and when the accelerator is known. */
void jobs_pump(struct jobs *jobs);
