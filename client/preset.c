/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preset.h"

#include <string.h>

#define PRESET(name_, n_, l_, c_, t_)                                                                       \
        {                                                                                                   \
                .name = name_, .topology = #n_ "n" #l_ "l" #c_ "c" #t_ "t", .numa_nodes = n_, .llcs = l_,   \
                .cores = c_, .threads = t_                                                                  \
        }

const struct preset presets[PRESETS_MAX + 1] = {
        PRESET("tiny-1llc", 1, 1, 4, 1),
        PRESET("tiny-2llc", 1, 2, 2, 1),
        PRESET("odd-3llc", 1, 3, 3, 1),
        PRESET("odd-5llc", 1, 5, 3, 1),
        PRESET("odd-7llc", 1, 7, 2, 1),
        PRESET("smt-2llc", 1, 2, 2, 2),
        PRESET("smt-3llc", 1, 3, 2, 2),
        PRESET("medium-4llc", 1, 4, 4, 2),
        PRESET("medium-8llc", 1, 8, 4, 2),
        PRESET("large-4llc", 1, 4, 16, 2),
        PRESET("large-8llc", 1, 8, 8, 2),
        PRESET("near-max-llc", 1, 15, 8, 2),
        PRESET("max-cpu", 1, 14, 9, 2),
        PRESET("medium-4llc-nosmt", 1, 4, 8, 1),
        PRESET("medium-8llc-nosmt", 1, 8, 8, 1),
        PRESET("large-4llc-nosmt", 1, 4, 32, 1),
        PRESET("large-8llc-nosmt", 1, 8, 16, 1),
        PRESET("near-max-llc-nosmt", 1, 15, 16, 1),
        PRESET("max-cpu-nosmt", 1, 14, 18, 1),
        PRESET("numa2-4llc", 2, 4, 4, 1),
        PRESET("numa2-8llc", 2, 8, 8, 2),
        PRESET("numa2-8llc-nosmt", 2, 8, 16, 1),
        PRESET("numa4-8llc", 4, 8, 4, 1),
        PRESET("numa4-12llc", 4, 12, 8, 2),
        {},
};

const struct preset *preset_find(const char *name)
{
        for (const struct preset *p = presets; p->name; p++)
                if (strcmp(p->name, name) == 0)
                        return p;
        return NULL;
}

bool preset_on(const struct preset *p, const char *machine)
{
        return p->threads == 1 || strcmp(machine, "x86_64") == 0;
}

unsigned preset_memory_mib(const struct preset *p)
{
        const unsigned by_cpus = preset_cpus(p) * 64;

        return by_cpus > 256 ? by_cpus : 256;
}
