/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the job comes in: the mailbox first, what did not fit and what comes later over the port. */

#include <json-c/json.h>

#include "../common/error.h"
#include "agent.h"

struct inbox {
        const uint8_t *mailbox; /* mapped; NULL when it could not be */
        uint64_t size;
        char why_not[160]; /* "" when it could be mapped */
};

/* Map what the kernel's command line names. Failure is no error: the host then sends everything over the
 * port. */
void inbox_open(struct inbox *in);

/* Wait for a job: write its files, and return its JOB object (owned by the caller) once GO came. Blocks as
 * long as it takes. */
int inbox_take(struct inbox *in, struct agent *a, struct json_object **ret, struct kt_error *reterr);
