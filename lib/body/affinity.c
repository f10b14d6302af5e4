/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "affinity.h"

#include <errno.h>
#include <string.h>

#include "../cpus.h"
#include "cpuset.h"
#include "random.h"

/* Those that are to be chosen among. */
static int candidates(const struct ktstr_affinity *a, const struct ktstr_topo *topo,
                      const struct ktstr_cpus *cpuset, struct ktstr_cpus *ret, struct kt_error *reterr)
{
        char wanted[128], has[128];
        struct ktstr_cpus all;

        if (a->cpus.kind == KTSTR_CPUSET_UNSET) {
                *ret = cpuset ? *cpuset : topo->usable;
                return 0;
        }
        if (cpuset_resolve(&a->cpus, topo, &all, reterr) < 0)
                return kt_error_prefix(reterr, "affinity");
        *ret = cpuset ? cpus_and(&all, cpuset) : all;
        if (ktstr_cpus_count(ret) > 0)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL, "affinity: of the CPUs %s none is in the cpuset %s",
                            ktstr_cpus_format(&all, wanted, sizeof(wanted)),
                            ktstr_cpus_format(cpuset, has, sizeof(has)));
}

/* count different ones of a set that has as many. */
static struct ktstr_cpus draw(struct ktstr_cpus from, unsigned count, uint64_t *random)
{
        struct ktstr_cpus drawn = {};

        for (unsigned i = 0; i < count; i++) {
                unsigned cpu = cpus_nth(&from, (unsigned)(random_next(random) % ktstr_cpus_count(&from)));

                cpus_remove(&from, cpu);
                ktstr_cpus_add(&drawn, cpu);
        }
        return drawn;
}

int affinity_resolve(const struct ktstr_affinity *a, const struct ktstr_topo *topo,
                     const struct ktstr_cpus *cpuset, unsigned n, uint64_t *random, struct ktstr_cpus *ret,
                     struct kt_error *reterr)
{
        struct ktstr_cpus from;
        int r;

        if ((unsigned)a->kind > KTSTR_AFFINITY_RANDOM)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no kind of affinity %d", (int)a->kind);
        if (a->kind == KTSTR_AFFINITY_UNSET) {
                for (unsigned i = 0; i < n; i++)
                        ret[i] = cpuset ? *cpuset : topo->all;
                return 0;
        }
        r = candidates(a, topo, cpuset, &from, reterr);
        if (r < 0)
                return r;
        if (a->kind == KTSTR_AFFINITY_RANDOM && (a->count == 0 || a->count > ktstr_cpus_count(&from)))
                return kt_error_set(reterr, -EINVAL, NULL, "affinity: %u random CPUs of %u", a->count,
                                    ktstr_cpus_count(&from));
        for (unsigned i = 0; i < n; i++) {
                ret[i] = from;
                if (a->kind == KTSTR_AFFINITY_EACH) {
                        ret[i] = (struct ktstr_cpus){};
                        ktstr_cpus_add(&ret[i], cpus_nth(&from, i));
                } else if (a->kind == KTSTR_AFFINITY_RANDOM)
                        ret[i] = draw(from, a->count, random);
        }
        return 0;
}

int affinity_check(const struct ktstr_affinity *a, const struct ktstr_topo *topo,
                   const struct ktstr_cpus *cpuset, struct kt_error *reterr)
{
        return affinity_resolve(a, topo, cpuset, 0, NULL, NULL, reterr);
}

int affinity_apply(pid_t pid, const struct ktstr_cpus *cpus, struct kt_error *reterr)
{
        const int r = cpus_bind_thread(pid, cpus);
        char text[128];

        if (r >= 0 || r == -ESRCH)
                return 0;
        return kt_error_set(reterr, r, NULL, "cannot bind a worker to CPUs %s: %s",
                            ktstr_cpus_format(cpus, text, sizeof(text)), strerror(-r));
}
