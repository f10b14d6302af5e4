/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Several jobs of one command at once, each on a connection of its own: their events as they come, each line
 * with the job's label in front, each verdict when it is there, and in the end a table. With --json one
 * event a line, `label` added to it.
 *
 * At most FAN_OUT_MAX run or wait in the daemon at a time; the others follow as these end. The first
 * interrupt cancels all, the next does not wait for their verdicts.
 */

#include <json-c/json.h>
#include <stddef.h>

#include "verb.h"

#define FAN_OUT_MAX 64U

struct fan_out_job {
        const char *label;          /* borrowed */
        struct json_object *params; /* of the call, without `detach`; owned, taken when it is sent */
};

struct fan_out {
        const struct verb *verb;
        const struct globals *globals;
        const char *method; /* "io.ktstrd.Job.Submit" */
        const char *what;   /* for the verdicts' heads: "scx_ktstr" */
        bool verbose;       /* show all log lines */
        const int *fds;     /* borrowed: they go along with each call */
        size_t n_fds;
};

/* Submit all and follow them to their verdicts; returns the worst exit status (exit_status_worse()). What is
 * left of params is released. */
int fan_out_run(const struct fan_out *f, struct fan_out_job *jobs, size_t n);

/* Submit all and leave them running: the id and the label of each on a line of its own. Returns the worst
 * exit status. */
int fan_out_detach(const struct fan_out *f, struct fan_out_job *jobs, size_t n);
