/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The conversation with a test's body on the host, from its start to its result (proto/bodymsg.h). */

#include <json-c/json.h>
#include <stdint.h>

#include "../common/error.h"

struct host_body {
        const char *program, *test; /* borrowed; program has a slash in it */
        int64_t duration_ms, timeout_ms;
        unsigned workers; /* 0: unset */
        int64_t seed;
        /* An event for whoever watches; taken. */
        void (*on_event)(void *userdata, struct json_object *event);
        void *userdata;
        int cancel_fd; /* when it is hung up, the body is told to end; -1: never */
};

/* Run it. *ret is the body's result, the caller's. -ECANCELED without a text; else a text, and
 * KT_E_TEST_PROGRAM where the program is at fault. Nothing of its process group is left. */
int host_body_run(const struct host_body *h, struct json_object **ret, struct kt_error *reterr);
