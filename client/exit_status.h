/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The exit statuses of ktstrctl:
 *   0    pass or skip; or the verb did what it was asked
 *   1    fail (doctor: a problem was found)
 *   2    inconclusive
 *   3    the harness failed, not the scheduler: verdict `error`, or the daemon could not do its part
 *   64   usage: what was typed is wrong – an option, a scheduler, a file, a kernel, a topology
 *   69   no daemon, or it takes no work now
 *   130  cancelled
 * `shell --exec` has the command's own status, 128+N when signal N ended it, 255 when the harness failed.
 */
enum {
        EXIT_STATUS_PASS = 0,
        EXIT_STATUS_FAIL = 1,
        EXIT_STATUS_INCONCLUSIVE = 2,
        EXIT_STATUS_HARNESS = 3,
        EXIT_STATUS_USAGE = 64,
        EXIT_STATUS_NO_DAEMON = 69,
        EXIT_STATUS_CANCELLED = 130,
        EXIT_STATUS_SHELL_HARNESS = 255,
};

/* For a verdict's word ("pass", …). */
int exit_status_of_verdict(const char *verdict);

/* For the end of a job: its verdict and, with the verdict `error`, the name of what failed (else NULL). What
 * was typed wrong may only come out when the job is prepared: an unknown kernel, for instance. */
int exit_status_of_end(const char *verdict, const char *error);

/* Of two jobs of one command, that of the command: what could not be run or judged (64, 69, 3) comes before
 * cancelled, fail, inconclusive and pass. */
int exit_status_worse(int a, int b);

/* For an error's wire name. */
int exit_status_of_error(const char *name);
