/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines about several jobs, each with its job's label in front. */

#include <json-c/json.h>
#include <stdbool.h>

struct labelled {
        const char *label; /* borrowed */
        int width;         /* of the longest label */
        bool verbose;      /* log lines too */
        bool queued;       /* that it waits has been told: its place changes with each of the others */
};

/* On stdout: an event's line, if it has one, or a log's lines. */
void labelled_show(struct labelled *l, struct json_object *event);
