/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One job's passage through a guest: prepare (worker) → guest starts → hand-out → events → result → guest
 * gone → verdict → job_end(). Owns everything that lives only as long as that; ends in exactly one
 * job_end(), whatever happens.
 */

struct job;
struct run;

/* Begin. The job is BOOTING and job->run is set. */
void run_start(struct job *job);

/* End it now: the guest is killed, the verdict will be `cancelled`. */
void run_cancel(struct run *run);
