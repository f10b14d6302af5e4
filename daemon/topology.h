/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The CPU topology of a guest: NUMA nodes, LLCs (in all, over the nodes), cores per LLC,
 * threads per core. */

#include "../common/error.h"
#include "../proto/limits.h"

struct topology {
        unsigned numa_nodes, llcs, cores, threads;
};

#define TOPOLOGY_CPUS_MAX KT_CPUS_MAX
#define TOPOLOGY_NODES_MAX KT_NODES_MAX

/* "1n2l4c2t" or "1,2,4,2". KT_E_BAD_TOPOLOGY with a text that names the fault: not four numbers ("invalid
 * topology"), a zero ("must be >= 1"), llcs not a multiple of nodes, too many CPUs. */
int topology_parse(const char *text, struct topology *ret, struct kt_error *reterr);

#define TOPOLOGY_TEXT_MAX 48
/* "1n2l4c2t" */
void topology_format(const struct topology *t, char ret[TOPOLOGY_TEXT_MAX]);

static inline unsigned topology_cpus(const struct topology *t)
{
        return t->llcs * t->cores * t->threads;
}

/* max(cpus * 64, 256) MiB */
unsigned topology_default_memory_mib(const struct topology *t);
