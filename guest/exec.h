/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "agent.h"

/* An "exec" job (borrowed): a command by /bin/sh -c, its output streamed, its status in the RESULT, or there
 * why it could not be started. What it leaves running is killed. */
void exec_job(struct agent *a, struct json_object *job);
