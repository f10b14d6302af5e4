/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What this host has to give to guests. */

#include <stdint.h>

#include "../lib/include/ktstr.h"

/* Online CPUs that this process may use. */
unsigned host_cpus(void);

/* Which. -EINVAL: the host has CPUs above KTSTR_CPUS_MAX. */
int host_cpu_set(struct ktstr_cpus *ret);

/* MemTotal. */
uint64_t host_memory_bytes(void);

/* Resident set of this process in bytes. */
uint64_t host_own_rss(void);

/* Descriptors that this process has open; 0 when /proc cannot be read. */
unsigned host_own_fds(void);
