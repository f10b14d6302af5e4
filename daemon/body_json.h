/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a test's body reported, as the types of io.ktstrd.Job. All results are owned by the caller; NULL when
 * memory is out. */

#include <json-c/json.h>

#include "../lib/check.h"
#include "../lib/body_report.h"

struct json_object *checks_json(const struct kt_check_result *checks, size_t n);
struct json_object *body_messages_json(const struct body_report *b);
struct json_object *body_metrics_json(const struct body_report *b);
struct json_object *body_cgroups_json(const struct body_report *b);

/* As many workers as body_workers_listed() says: a message has an end, and the checks have seen them all. */
struct json_object *body_workers_json(const struct body_report *b);
size_t body_workers_listed(const struct body_report *b, size_t *ret_all);
