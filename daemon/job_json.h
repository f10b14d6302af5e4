/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs, events and verdicts as the types of io.ktstrd.Job. All results owned by the caller; NULL when memory
 * is out. */

#include <json-c/json.h>

struct job;
struct event;

struct json_object *job_event_json(const struct job *job, const struct event *e);
struct json_object *job_verdict_json(const struct job *job);
struct json_object *job_summary_json(struct job *job);
