/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much of something a parameter may ask for: what is beyond is a slip, and would not be done within a
 * test, nor fit into a guest. */

#define WORK_ITERATIONS_MAX 1000000000ULL /* a second natively */
#define WORK_MS_MAX 3600000ULL
#define WORK_PERIOD_US_MAX 1000000ULL /* its team waits meanwhile */
#define WORK_KIB_MAX (1024ULL * 1024)
#define WORK_OPERATIONS_MAX 1000000ULL
#define WORK_TEAM_MAX 1023ULL /* beside the one that leads it */
