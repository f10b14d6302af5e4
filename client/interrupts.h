/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SIGINT and SIGTERM while jobs are watched: the first asks them to end, the next does not wait for it. */

#include <signal.h>

#include "verb.h"

/* From here on they are counted. They come only under *ret_wait_mask, for ppoll(2): between a look at the
 * counter and the wait they would be slept over. */
void interrupts_catch(sigset_t *ret_wait_mask);
int interrupts_so_far(void);

/* From here on they end us again, as they did before: between jobs that one command watches one after the
 * other. */
void interrupts_release(void);

/* Ask the daemon to end a job, on a connection of its own: that of the job is in the middle of a stream.
 * None is started for this. */
void cancel_job(const struct globals *g, const char *job);
