/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a group's workers measured, as the checks and the result have it. */

#include "../telemetry.h"
#include "group.h"

/* Add the record of a group whose workers are stopped, in a scenario of that number, to w's cgroups; it
 * borrows nothing of the group. A group without workers has none. 0, or -ENOMEM: what is there of it then is
 * for kt_workload_done(). */
int record_group(const struct group *g, unsigned scenario, struct kt_workload *w);
