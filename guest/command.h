/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Commands for the guest's shell. */

#include "../common/error.h"
#include "agent.h"
#include "timeout_override.h"

/* In a child: become `/bin/sh -c COMMAND`, in /include-files where there is one. Returns only when that
 * fails, with the exit status, which was explained on stderr. */
int command_become(void *command);

/* Run one to its end, as part of the scheduler: its output is the scheduler's, and with o (NULL: none) so is
 * the timeout of what it loads. No scheduler that is attached keeps it from running, but for what it starts
 * itself. 0; or -errno when it failed, was cancelled, or took
 * more than timeout_ms, which ends it; the error has the last line that it printed. */
int command_run(struct agent *a, const char *command, int timeout_ms, struct timeout_override *o,
                struct kt_error *reterr);
