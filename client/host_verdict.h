/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what a test's body said in the end, on the host, to a verdict (Verdict of io.ktstrd.Job, but for
 * elapsed_ms). */

#include <json-c/json.h>

#include "../common/error.h"

/* -EPROTO with a text (KT_E_TEST_PROGRAM) when the result is none. */
int host_verdict(struct json_object *result, struct json_object **ret, struct kt_error *reterr);

/* There is no result, and why. */
struct json_object *host_verdict_error(const struct kt_error *err);
