/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long woken workers waited for a CPU, all those of a group together. */

#include "../telemetry.h"
#include "group.h"

/* The wake-ups of all its crews. Each worker keeps a sample of its own, which counts for as many as it had.
 * *ret owns nothing, and is all 0 without any. 0, or -ENOMEM, when *ret is all 0 too. */
int wakes_of_group(const struct group *g, struct kt_wakes *ret);
