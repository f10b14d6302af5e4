/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person sees while a job runs: on a terminal one line that changes, piped one line per stage. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct live {
        bool silent, terminal, line_open;
};

void live_begin(struct live *l, bool silent);
void live_event(struct live *l, struct json_object *event);
/* Lines of a log, each with its source in front. */
void live_log(struct live *l, const char *stream, const char *bytes, size_t size);
/* Close the live line. */
void live_end(struct live *l);

/* Colours: stdout is a terminal and NO_COLOR is not set. */
bool live_colours(void);
