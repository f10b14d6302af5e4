/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "topology.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../proto/errors.h"

#define MEMORY_PER_CPU_MIB 64U
#define MEMORY_MIN_MIB 256U

/* Four numbers, each followed by its terminator; the last of the comma form is the end of the text. Numbers
 * too large to matter are held at NUMBER_MAX, to be found too many later. */
#define NUMBER_MAX 99999U

static bool read_number(const char **text, char terminator, unsigned *ret)
{
        const char *p = *text;
        unsigned value = 0;

        if (*p < '0' || *p > '9')
                return false;
        for (; *p >= '0' && *p <= '9'; p++) {
                value = value * 10 + (unsigned)(*p - '0');
                if (value > NUMBER_MAX)
                        value = NUMBER_MAX;
        }
        if (*p != terminator)
                return false;
        *text = terminator ? p + 1 : p;
        *ret = value;
        return true;
}

static bool read_four(const char *text, const char terminators[static 4], struct topology *ret)
{
        return read_number(&text, terminators[0], &ret->numa_nodes) &&
               read_number(&text, terminators[1], &ret->llcs) &&
               read_number(&text, terminators[2], &ret->cores) &&
               read_number(&text, terminators[3], &ret->threads) && *text == '\0';
}

static int refuse_zero(const struct topology *t, const char *text, struct kt_error *reterr)
{
        const struct {
                unsigned value;
                const char *what;
        } numbers[] = {
                {t->numa_nodes, "NUMA nodes"},
                {t->llcs, "LLCs"},
                {t->cores, "cores per LLC"},
                {t->threads, "threads per core"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(numbers); i++)
                if (numbers[i].value == 0)
                        return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_TOPOLOGY, "topology",
                                                  "topology '%.64s': %s must be >= 1", text,
                                                  numbers[i].what);
        return 0;
}

static int check(const struct topology *t, const char *text, struct kt_error *reterr)
{
        const uint64_t cpus = (uint64_t)t->llcs * t->cores * t->threads;
        int r;

        r = refuse_zero(t, text, reterr);
        if (r < 0)
                return r;
        if (t->llcs % t->numa_nodes != 0)
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_TOPOLOGY, "topology",
                                          "topology '%.64s': %u LLCs do not divide over %u NUMA nodes: the "
                                          "LLCs are counted over "
                                          "all nodes, take a multiple of %u",
                                          text, t->llcs, t->numa_nodes, t->numa_nodes);
        if (t->numa_nodes > TOPOLOGY_NODES_MAX)
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_TOPOLOGY, "topology",
                                          "topology '%.64s' has %u NUMA nodes: a guest can have at most %u",
                                          text, t->numa_nodes, TOPOLOGY_NODES_MAX);
        if (cpus > TOPOLOGY_CPUS_MAX)
                return kt_error_set_field(reterr, -E2BIG, KT_E_BAD_TOPOLOGY, "topology",
                                          "topology '%.64s' has %llu CPUs: a guest can have at most %u",
                                          text, (unsigned long long)cpus, TOPOLOGY_CPUS_MAX);
        return 0;
}

int topology_parse(const char *text, struct topology *ret, struct kt_error *reterr)
{
        struct topology t;
        int r;

        if (!read_four(text, "nlct", &t) && !read_four(text, ",,,", &t))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_TOPOLOGY, "topology",
                                          "invalid topology '%.64s': write NUMA nodes, LLCs in all, cores "
                                          "per LLC and threads per "
                                          "core as 1n2l4c2t or 1,2,4,2",
                                          text);
        r = check(&t, text, reterr);
        if (r < 0)
                return r;
        *ret = t;
        return 0;
}

void topology_format(const struct topology *t, char ret[TOPOLOGY_TEXT_MAX])
{
        snprintf(ret, TOPOLOGY_TEXT_MAX, "%un%ul%uc%ut", t->numa_nodes, t->llcs, t->cores, t->threads);
}

unsigned topology_default_memory_mib(const struct topology *t)
{
        const unsigned by_cpus = topology_cpus(t) * MEMORY_PER_CPU_MIB;

        return by_cpus > MEMORY_MIN_MIB ? by_cpus : MEMORY_MIN_MIB;
}
