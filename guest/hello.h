/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The agent's first word, and what it says when it is to wait for a job that is not there yet. */

#include "agent.h"
#include "inbox.h"

/* Send HELLO or PARKED: who we are and whether there is a mailbox (proto/guestmsg.h). */
void hello_send(struct agent *a, const struct inbox *in, uint32_t type);

/* Take a PARK frame: rehearse as often as it says, then answer. 0; -EBUSY: a rehearsal has left something,
 * which the error names, and a job would meet it; no answer was sent. */
int hello_park(struct agent *a, const struct inbox *in, const struct kt_frame *park,
               struct kt_error *reterr);
