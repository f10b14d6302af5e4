/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A call that watches a job: it pulls events at the pace at which its client reads, so a slow client costs
 * nothing but its place in the list. Without `more` only the verdict is sent.
 */

#include <stdbool.h>
#include <stdint.h>

struct call;
struct job;

/* Takes the call. cancels: when the client goes away the job is cancelled. */
void subscription_start(struct call *call, struct job *job, uint64_t since, bool cancels);

/* The same for a call that has just made the job, and may have `detach`: then going away cancels nothing,
 * and without `more` the reply comes at once, with the job alone. The call may be gone afterwards. */
void subscription_begin(struct call *call, struct job *job);
