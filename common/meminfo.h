/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel says of this machine's memory. */

#include <stdint.h>

/* How much could be had now without swapping, in KiB (MemAvailable). UINT64_MAX: it cannot be told, which
 * keeps nobody from anything. */
uint64_t kt_meminfo_available_kib(void);
