/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpuset.h"

#include <errno.h>
#include <math.h>

#include "../cpus.h"

/* 0.29 of 100 CPUs is 28.999999999999996 of them. */
#define ROUNDING 1e-9

/* The usable ones from number `first` to before `end`, counted among themselves. */
static struct ktstr_cpus slice(const struct ktstr_topo *topo, unsigned first, unsigned end)
{
        struct ktstr_cpus set = {};
        unsigned i = 0;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++) {
                if (!ktstr_cpus_has(&topo->usable, cpu))
                        continue;
                if (i >= first && i < end)
                        ktstr_cpus_add(&set, cpu);
                i++;
        }
        return set;
}

static int resolve_index(const struct ktstr_cpus *sets, unsigned n, unsigned index, const char *what,
                         struct ktstr_cpus *ret, struct kt_error *reterr)
{
        if (index >= n)
                return kt_error_set(reterr, -EINVAL, NULL, "%s index %u >= %s count %u", what, index, what,
                                    n);
        if (ktstr_cpus_count(&sets[index]) == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "%s %u has no CPUs", what, index);
        *ret = sets[index];
        return 0;
}

static int resolve_range(double start, double end, const struct ktstr_topo *topo, struct ktstr_cpus *ret,
                         struct kt_error *reterr)
{
        unsigned n = ktstr_cpus_count(&topo->usable);

        if (!(start >= 0 && start <= 1 && end >= 0 && end <= 1))
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "Range fracs must lie in [0.0, 1.0]: start %g, end %g", start, end);
        if (!(start < end))
                return kt_error_set(reterr, -EINVAL, NULL, "Range start %g must be less than its end %g",
                                    start, end);
        *ret = slice(topo, (unsigned)(n * start + ROUNDING), (unsigned)(n * end + ROUNDING));
        if (ktstr_cpus_count(ret) == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "Range %g to %g holds none of %u usable CPUs",
                                    start, end, n);
        return 0;
}

static int resolve_part(const struct ktstr_cpuset *spec, double frac, const struct ktstr_topo *topo,
                        struct ktstr_cpus *ret, struct kt_error *reterr)
{
        unsigned n = ktstr_cpus_count(&topo->usable), size, more, first, end;

        if (spec->of == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "partition count must be at least 1");
        if (spec->index >= spec->of)
                return kt_error_set(reterr, -EINVAL, NULL, "index %u >= partition count %u", spec->index,
                                    spec->of);
        if (n < spec->of)
                return kt_error_set(reterr, -EINVAL, NULL, "not enough usable CPUs (%u) for %u partitions",
                                    n, spec->of);
        if (!(frac >= 0 && frac <= 1))
                return kt_error_set(reterr, -EINVAL, NULL, "Overlap frac must lie in [0.0, 1.0]: %g", frac);
        size = n / spec->of;
        more = (unsigned)(size * frac + ROUNDING);
        first = spec->index * size;
        end = spec->index + 1 == spec->of ? n : first + size;
        *ret = slice(topo, first > more ? first - more : 0, end + more);
        return 0;
}

static int resolve_exact(const char *list, const struct ktstr_topo *topo, struct ktstr_cpus *ret,
                         struct kt_error *reterr)
{
        char text[256];

        if (!list || !ktstr_cpus_parse(list, ret) || ktstr_cpus_count(ret) == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "'%s' is no list of CPUs", list ?: "");
        if (!cpus_within(ret, &topo->all))
                return kt_error_set(reterr, -EINVAL, NULL, "of the CPUs %s some are not there: these are %s",
                                    list, ktstr_cpus_format(&topo->all, text, sizeof(text)));
        return 0;
}

int cpuset_resolve(const struct ktstr_cpuset *spec, const struct ktstr_topo *topo, struct ktstr_cpus *ret,
                   struct kt_error *reterr)
{
        switch (spec->kind) {
        case KTSTR_CPUSET_ALL:
                *ret = topo->all;
                return 0;
        case KTSTR_CPUSET_LLC:
                return resolve_index(topo->llcs, topo->n_llcs, spec->index, "LLC", ret, reterr);
        case KTSTR_CPUSET_NUMA:
                return resolve_index(topo->nodes, topo->n_nodes, spec->index, "NUMA node", ret, reterr);
        case KTSTR_CPUSET_RANGE:
                return resolve_range(spec->frac, spec->end_frac, topo, ret, reterr);
        case KTSTR_CPUSET_DISJOINT:
                return resolve_part(spec, 0, topo, ret, reterr);
        case KTSTR_CPUSET_OVERLAP:
                return resolve_part(spec, spec->frac, topo, ret, reterr);
        case KTSTR_CPUSET_EXACT:
                return resolve_exact(spec->list, topo, ret, reterr);
        default:
                return kt_error_set(reterr, -EINVAL, NULL, "it is of no kind of cpuset");
        }
}
