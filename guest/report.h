/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The RESULT frame (proto/guestmsg.h). */

#include "agent.h"
#include "subject.h"

struct report {
        const char *outcome;             /* static */
        const char *error;               /* of the outcomes that have one, or NULL */
        const struct subject *subject;   /* NULL: none was asked for */
        const char *trace, *trace_error; /* NULL: none */
        struct json_object *body;        /* its result, borrowed; NULL: none came */
        bool exec;
        int exec_status; /* a wait status */
};

/* Send it, with what is read of the subject now. Without a host nobody hears it. */
void report_send(struct agent *a, const struct report *r);
