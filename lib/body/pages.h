/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the pages of workers are, node by node, and how many the kernel has moved. */

#include <stdbool.h>
#include <sys/types.h>

#include "../telemetry.h"

/* No guest has more. */
#define PAGES_NODES_MAX 128

struct pages_by_node {
        uint64_t n[PAGES_NODES_MAX]; /* by the kernel's number of the node */
};

/* Those of a process, as its numa_maps has them, but for what it shares with others. A worker is a copy of
 * the body: what it still has in common with that counts too, and is known by having been there before. None
 * on a kernel without NUMA, or of a process that is gone. */
struct pages_by_node pages_of_process(pid_t pid);

/* The same of a text, for tests. */
struct pages_by_node pages_parse(const char *numa_maps);

/* Add to *p what a process has taken between the two; nodes are those that its cgroup may use. */
void pages_add_taken(const struct pages_by_node *before, const struct pages_by_node *now,
                     const struct ktstr_topo *topo, const struct ktstr_cpus *nodes, struct kt_pages *p);

/* So far, in pages: of a cgroup (its folder) where the kernel counts them for each, else (or NULL) of the
 * machine; 0 where it does not count. */
uint64_t pages_migrated(const char *cgroup_dir);
