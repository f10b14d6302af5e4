/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* A seed where nobody gives one, the same kind for the daemon and the client: another each time, from 0
 * to UINT32_MAX; short enough for a person to type, and for what has doubles alone for numbers. */
int64_t kt_random_seed(void);
