/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a job may ask for: the daemon refuses more, and a test program that declares more is told when it is
 * listed. */

#define KT_DURATION_MAX_MS (24LL * 3600 * 1000)
#define KT_WORKERS_MAX 1024 /* a cgroup */
#define KT_MEMORY_MIN_MIB 128
#define KT_MEMORY_MAX_MIB (4 * 1024 * 1024)
#define KT_CPUS_MAX 255U  /* the VMM's: q35 of QEMU 7.2 with its interrupt remapping off takes 255 APIC ids \
                           */
#define KT_NODES_MAX 128U /* QEMU's MAX_NODES */
#define KT_SCX_TIMEOUT_MAX_MS 30000U /* SCX_WATCHDOG_MAX_TIMEOUT; also what a scheduler's 0 means */
#define KT_TRACE_LINES_MAX 40U /* of a trace, its last */
#define KT_TRACE_BYTES_MAX (16U * 1024)
#define KT_TRACE_FUNCTIONS_MAX 16
#define KT_TRACE_FUNCTION_BYTES_MAX 127 /* of its name */
#define KT_SYSCTLS_MAX 256
#define KT_SYSCTL_BYTES_MAX 255 /* of a name, of a value */

/* The host's, of which a budget may have so many: as many as ktstr.h's sets hold. */
#define KT_HOST_CPUS_MAX 1024
