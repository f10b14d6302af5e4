/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A runnable task that was not run within the watchdog's timeout, for which the kernel throws a scheduler
 * out: had the scheduler the time to run it? */

#include <stdint.h>

#include "../lib/telemetry.h"
#include "delay_log.h"

/*
 * Why this may not be the scheduler's doing: the host held one worker back for half of the timeout or more
 * before gone_ns (guest time), or the workers of w are so many that a round of all takes as long. Malloced,
 * words to follow the kernel's; NULL: the scheduler had the time, or memory is out.
 */
char *stall_excuse(const struct kt_workload *w, struct delay_log *delays, uint64_t gone_ns,
                   uint64_t timeout_ms);
