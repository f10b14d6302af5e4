/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct job_spec;

/* The JOB frame's payload (proto/guestmsg.h) for a job that starts now. Malloced; NULL when
 * memory is out. */
char *job_message(const struct job_spec *spec, const char *id, const char *sched_guest_path);
