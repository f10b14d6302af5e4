/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "definition.h"

#include <errno.h>

#include "../cpus.h"
#include "cpuset.h"
#include "limits.h"
#include "spawn.h"
#include "topo.h"

int definition_cpus(const struct run *r, const char *name, const struct ktstr_cpuset *spec,
                    struct ktstr_cpus *ret, struct kt_error *reterr)
{
        int e = cpuset_resolve(spec, &r->b->topo, ret, reterr);

        if (e < 0) {
                kt_error_prefix(reterr, "CpusetSpec validation failed");
                kt_error_prefix(reterr, "cgroup '%s'", name);
        }
        return e;
}

int definition_nodes(const struct run *r, const char *name, const char *mems, struct ktstr_cpus *ret,
                     struct kt_error *reterr)
{
        if (ktstr_cpus_parse(mems, ret) && ktstr_cpus_count(ret) > 0 && cpus_within(ret, &r->b->all_nodes))
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL,
                            "cgroup '%s': cpuset_mems '%s' is no list of this machine's %u nodes", name,
                            mems, r->b->topo.n_nodes);
}

/* The workers that its own fields describe. */
static struct ktstr_work_group own_workers(const struct ktstr_cgroup *def)
{
        return (struct ktstr_work_group){
                .workers = def->workers,
                .workers_pct = def->workers_pct,
                .work = def->work,
                .policy = def->policy,
                .nice = def->nice,
                .affinity = def->affinity,
                .mem_policy = def->mem_policy,
                .comm = def->comm,
                .uid = def->uid,
                .gid = def->gid,
        };
}

int definition_for_each_work_group(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                                   work_group_cb cb, struct kt_error *reterr)
{
        const struct ktstr_work_group own = own_workers(def);
        int e = 0;

        if (def->n_works == 0 || def->workers != 0 || def->workers_pct != 0)
                e = cb(r, g, &own, reterr);
        for (unsigned i = 0; e >= 0 && i < def->n_works; i++)
                e = cb(r, g, &def->works[i], reterr);
        if (e < 0)
                kt_error_prefix(reterr, "cgroup '%s'", g->name);
        return e;
}

/* What it would have once it is made. */
static int take_cpuset(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                       struct kt_error *reterr)
{
        int e = 0;

        g->has_mems = def->cpuset_mems != NULL;
        g->has_cpus = def->cpuset.kind != KTSTR_CPUSET_UNSET;
        g->has_nodes = g->has_mems || g->has_cpus;
        if (g->has_mems)
                e = definition_nodes(r, g->name, def->cpuset_mems, &g->nodes, reterr);
        if (e >= 0 && g->has_cpus)
                e = definition_cpus(r, g->name, &def->cpuset, &g->cpus, reterr);
        if (e >= 0 && g->has_cpus && !g->has_mems)
                g->nodes = topo_nodes_of(&r->b->topo, &g->cpus);
        return e;
}

static int check_workers(struct run *r, struct group *g, const struct ktstr_work_group *wg,
                         struct kt_error *reterr)
{
        return spawn_check(r, g, wg, reterr);
}

int definition_check(struct run *r, struct group *g, const struct ktstr_cgroup *def, struct kt_error *reterr)
{
        int e = group_check_name(g->name, reterr);

        if (e < 0)
                return e;
        e = limits_check(def, reterr);
        if (e < 0) {
                kt_error_prefix(reterr, "cgroup '%s'", g->name);
                return e;
        }
        e = take_cpuset(r, g, def, reterr);
        return e < 0 ? e : definition_for_each_work_group(r, g, def, check_workers, reterr);
}
