/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is left of a job on disk: STATE/results/JOB/ with scheduler.log (all that the scheduler printed),
 * kernel.log, console.log, output.log (of a command), build.log as they come, and verdict.json at the end,
 * there whole when the verdict is out, and on disk soon after. Nothing is ever overwritten: ids are random.
 * Appending is a plain write(2) to the page cache from the loop. The folder is the daemon's until the job
 * has ended, and then its user's alone.
 */

#include "../common/error.h"
#include "event.h"

struct job;

/* Of all a job's logs together; a scheduler that prints without end must not fill the disk. */
#define RESULTS_BYTES_MAX (256U * 1024U * 1024U)

/* What the scheduler printed, stdout and stderr as they came. */
#define SCHEDULER_LOG "scheduler.log"

/* Make the folder and set job->result_dir. -ENOSPC and the like become KT_E_IO naming the folder. */
int results_open(struct job *job, struct kt_error *reterr);

/* The same for a job that a daemon may have left unfinished: a folder that is there already is gone on with.
 */
int results_open_again(struct job *job, struct kt_error *reterr);

/* Append what a stream brought. A failure, or the end of what is kept of a job (256 MiB), is logged once and
 * noted in the verdict. */
void results_append(struct job *job, enum event_stream stream, const char *data, size_t size);

/* Write verdict.json and hand the folder over. Without a folder nothing is done. */
void results_save(struct job *job);
