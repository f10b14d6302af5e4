/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --check NAME=VALUE: a threshold of a job, as tests declare them (lib/thresholds.h). */

#include <json-c/json.h>

#include "../common/error.h"

/* Add it to a job's `checks`, which are made where there are none. VALUE: a number, or on for a switch, or
 * off. The last of one name counts. -EINVAL with a text, which for an unknown name has one that is near. */
int check_option_add(struct json_object *params, const char *text, struct kt_error *reterr);
