/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a group's workers measured, as the checks and the result have it. */

#include "../telemetry.h"
#include "group.h"

/* Add the record of a group whose workers are stopped to w's cgroups; a group without workers has none.
 * -ENOMEM. */
int record_group(const struct group *g, unsigned scenario, struct kt_workload *w);
