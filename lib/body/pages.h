/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the pages of workers are, node by node, and how many the kernel has moved. */

#include <stdbool.h>
#include <sys/types.h>

#include "../telemetry.h"

/* Add those of a process, as its numa_maps has them, to *p; nodes are those that its cgroup may use. A
 * kernel without NUMA, or a process that is gone, adds nothing. */
void pages_of_process(pid_t pid, const struct ktstr_topo *topo, const struct ktstr_cpus *nodes,
                      struct kt_pages *p);

/* The same of a text, for tests. */
void pages_count(const char *numa_maps, const struct ktstr_topo *topo, const struct ktstr_cpus *nodes,
                 struct kt_pages *p);

/* So far, in pages: of a cgroup (its folder) where the kernel counts them for each, else (or NULL) of the
 * machine; 0 where it does not count. */
uint64_t pages_migrated(const char *cgroup_dir);
