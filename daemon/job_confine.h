/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of the host's CPUs a job's QEMU runs on, where the job asks for that: performance mode
 * (placement.h), planned when it is submitted, for it has to be known then whether it is to have the host to
 * itself; or a CPU budget (cpu_budget.h), of which the CPUs are chosen when its turn has come.
 *
 * job_confine_plan() → job_confine_begin() → job_confine_guest(), of each guest that the job is tried in →
 * job_confine_end().
 */

#include "placement.h"

struct guest;
struct job;

struct job_confinement {
        bool performance;           /* else a budget */
        struct placement placement; /* of performance mode */
        struct ktstr_cpus cpus;     /* all that its QEMU may run on */
        bool taken;                 /* of the budgets */
        bool done;                  /* it does */
};

/* When it is submitted: job->confinement, or why it cannot be had here, in job->skip. -ENOMEM. */
int job_confine_plan(struct job *job, struct kt_error *reterr);

/* When its turn has come, and the accelerators are known. May set job->skip too. Negative: the job fails. */
int job_confine_begin(struct job *job, struct kt_error *reterr);

/* When its guest is PAUSED or PARKED, as guest_confine(). Says so among the job's events, once. */
int job_confine_guest(struct job *job, struct guest *guest, struct kt_error *reterr);

/* Give back what job_confine_begin() took. Idempotent. */
void job_confine_end(struct job *job);
