/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The topologies of the gauntlet: from one LLC to the most CPUs that a guest can have, odd numbers of LLCs,
 * with and without SMT, several NUMA nodes. Names and dimensions are fixed: results are compared by them.
 */

#include <stdbool.h>
#include <stddef.h>

struct preset {
        const char *name;
        const char *topology; /* "1n2l4c2t", as Submit has it */
        unsigned numa_nodes, llcs, cores, threads;
};

#define PRESETS_MAX 24

/* All of them, in their order, then one without a name. */
extern const struct preset presets[PRESETS_MAX + 1];

/* NULL: no such. */
const struct preset *preset_find(const char *name);

/* Is it one on such a machine ("x86_64", "aarch64": as uname(2) has it)? Only x86 has threads. */
bool preset_on(const struct preset *p, const char *machine);

static inline unsigned preset_cpus(const struct preset *p)
{
        return p->llcs * p->cores * p->threads;
}

/* What its guest has where a test does not ask for more: max(CPUs * 64, 256). */
unsigned preset_memory_mib(const struct preset *p);
