/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "constraints.h"

#include <limits.h>

#include "../proto/codec.h"

const struct constraints constraints_default = {
        .min_llcs = 1,
        .max_llcs = 12,
        .min_cpus = 1,
        .max_cpus = 192,
        .min_numa_nodes = 1,
        .max_numa_nodes = 1,
};

void constraints_merge(struct constraints *c, struct json_object *declared)
{
        const struct {
                const char *key;
                unsigned *value, none;
        } numbers[] = {
                {"min_llcs", &c->min_llcs, 0},
                {"max_llcs", &c->max_llcs, UINT_MAX},
                {"min_cpus", &c->min_cpus, 0},
                {"max_cpus", &c->max_cpus, UINT_MAX},
                {"min_numa_nodes", &c->min_numa_nodes, 0},
                {"max_numa_nodes", &c->max_numa_nodes, UINT_MAX},
        };

        if (!declared)
                return;
        for (size_t i = 0; i < KT_ARRAY_SIZE(numbers); i++) {
                const int64_t n = kt_json_int(declared, numbers[i].key, *numbers[i].value);

                *numbers[i].value = n < 0 ? numbers[i].none : n > UINT_MAX ? UINT_MAX : (unsigned)n;
        }
        c->requires_smt = kt_json_bool(declared, "requires_smt", c->requires_smt);
}

static bool within(unsigned n, unsigned min, unsigned max)
{
        return n >= min && n <= max;
}

bool constraints_accept(const struct constraints *c, const struct preset *p)
{
        return within(p->numa_nodes, c->min_numa_nodes, c->max_numa_nodes) &&
               within(p->llcs, c->min_llcs, c->max_llcs) &&
               within(preset_cpus(p), c->min_cpus, c->max_cpus) && (!c->requires_smt || p->threads > 1);
}
