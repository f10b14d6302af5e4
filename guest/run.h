/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "agent.h"

/* A "run" job (borrowed), from the scheduler's start to the RESULT: whatever goes wrong is an outcome there
 * (proto/guestmsg.h). */
void run_job(struct agent *a, struct json_object *job);
