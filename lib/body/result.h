/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The result, as bodymsg.h has it. */

#include "state.h"

/* {"result": {…}}; `returned` is what the function did. The caller's; NULL when memory is out. */
struct json_object *result_json(struct ktstr_body *b, enum ktstr_outcome returned);

/* {"result": {…}} of a body that could not begin: an error with this text. The caller's; NULL as above. */
struct json_object *result_of_error(const char *text);
