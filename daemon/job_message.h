/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

struct job_spec;

/* The JOB frame's payload (proto/guestmsg.h) for a job that starts now; emulated: on CPUs that are
 * software's. Malloced; NULL when memory is out. */
char *job_message(const struct job_spec *spec, const char *id, bool emulated);
