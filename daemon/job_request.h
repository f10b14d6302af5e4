/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From the checked parameters of a call to a job's specification: defaults, limits, descriptors. */

#include "call.h"
#include "job.h"

/* io.ktstrd.Job.Submit and io.ktstrd.Shell.Open. On failure what was filled in is the caller's to release
 * (job_spec_done). */
int job_request_run(struct call *call, struct job_spec *ret, struct kt_error *reterr);
int job_request_exec(struct call *call, struct job_spec *ret, struct kt_error *reterr);

/* The topology alone, or the default. */
int job_request_topology(struct call *call, struct topology *ret, struct kt_error *reterr);

/* The part that says what the guest is to be: topology, memory, kernel, accelerator, and whose it is. */
int job_request_guest(struct call *call, struct job_spec *ret, struct kt_error *reterr);
