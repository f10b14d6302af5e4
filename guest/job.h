/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A job from when it is there to its RESULT. */

#include <json-c/json.h>

#include "agent.h"

/* Set the clock and reseed the random numbers as the JOB (borrowed) says (proto/guestmsg.h), run it, report.
 * 0 whatever came of it; -EINVAL when it is of no kind that is known; nothing was reported then. */
int job_run(struct agent *a, struct json_object *job);
