/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "define.h"

#include <errno.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "../cpus.h"
#include "cgroup.h"
#include "definition.h"
#include "limits.h"
#include "payload.h"
#include "spawn.h"
#include "topo.h"
#include "workload.h"

static int out_of_memory(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
}

static struct group *add_group(struct run *r, const char *name)
{
        _cleanup_free_ char *dir = kt_path_join(r->b->cgroup_parent, name);
        struct group *g = dir ? group_new(&r->b->groups, name, dir) : NULL;

        if (g)
                g->backdrop = !r->in_step;
        return g;
}

/* Take a name. */
static int name_group(struct run *r, const struct ktstr_cgroup *def, struct group **ret,
                      struct kt_error *reterr)
{
        _cleanup_free_ char *name = def->name ? strdup(def->name) : group_free_name(&r->b->groups);
        struct group *g;
        int e;

        if (!name)
                return out_of_memory(reterr);
        e = group_check_name(name, reterr);
        if (e < 0)
                return e;
        g = group_find(&r->b->groups, name);
        if (g && !g->implied)
                return kt_error_set(reterr, -EEXIST, NULL, "there is a cgroup '%s' already", name);
        if (!g)
                g = add_group(r, name);
        if (!g)
                return out_of_memory(reterr);
        g->implied = false;
        g->inhabited = def->workers != KTSTR_NONE || def->n_works > 0 || def->payload;
        g->no_controllers = def->no_controllers;
        *ret = g;
        return 0;
}

/* What the kernel did not come to in time it may do later: that is to be removed too. */
static int make_dir(struct run *r, struct group *g, struct kt_error *reterr)
{
        int e = cgroup_make(r->b->sysfs_writer, g->dir, reterr);

        g->made = e >= 0 || e == -ETIMEDOUT;
        return e;
}

/* Those above it that nobody has defined. */
static int make_above(struct run *r, const struct group *g, struct kt_error *reterr)
{
        _cleanup_free_ char *name = strdup(g->name);
        int e = name ? 0 : out_of_memory(reterr);

        for (char *slash = name; e >= 0 && (slash = strchr(slash, '/')); slash++) {
                struct group *above;

                *slash = '\0';
                above = group_find(&r->b->groups, name);
                if (!above) {
                        above = add_group(r, name);
                        e = above ? make_dir(r, above, reterr) : out_of_memory(reterr);
                        if (above)
                                above->implied = true;
                }
                *slash = '/';
        }
        return e;
}

/* Can it have the controller by which a scheduler knows of cgroups? Not below one that has workers of its
 * own, nor below one whose definition says so. */
static bool is_for_schedulers(struct run *r, const struct group *g)
{
        kt_list_for_each (it, &r->b->groups) {
                const struct group *other = kt_list_entry(it, struct group, link);

                if (other->live && (other->inhabited || other->no_controllers) && group_is_below(g, other))
                        return false;
        }
        return true;
}

/* The kernel takes what does not lie in the cpuset above, and gives it another. */
static int check_above(struct run *r, const struct group *g, const struct ktstr_cpus *cpus,
                       struct kt_error *reterr)
{
        char text[512], above[512];

        kt_list_for_each (it, &r->b->groups) {
                const struct group *other = kt_list_entry(it, struct group, link);

                if (other->live && other->has_cpus && group_is_below(g, other) &&
                    !cpus_within(cpus, &other->cpus))
                        return kt_error_set(
                                reterr, -EINVAL, NULL,
                                "cgroup '%s': its cpuset %s does not lie in %s, that of cgroup '%s'",
                                g->name, ktstr_cpus_format(cpus, text, sizeof(text)),
                                ktstr_cpus_format(&other->cpus, above, sizeof(above)), other->name);
        }
        return 0;
}

/* Has it got no CPU but those of its cpuset? One all of whose CPUs are offline has its parent's, and so has
 * one that has nothing in common with a cpuset above it that has changed. */
static bool keeps_to_its_cpus(const struct group *g)
{
        struct ktstr_cpus effective;

        return cgroup_cpus(g->dir, &effective) && cpus_within(&effective, &g->cpus);
}

/* What is below it may have others now. */
static void look_below(struct run *r, const struct group *g)
{
        kt_list_for_each (it, &r->b->groups) {
                struct group *other = kt_list_entry(it, struct group, link);

                if (other->live && other->isolated && group_is_below(other, g))
                        other->isolated = keeps_to_its_cpus(other);
        }
}

int define_cpus(struct run *r, struct group *g, const struct ktstr_cpus *cpus, struct kt_error *reterr)
{
        char text[4096];
        int e = check_above(r, g, cpus, reterr);

        if (e >= 0)
                e = cgroup_enable(r->b->sysfs_writer, g->dir, "cpuset", reterr);
        if (e >= 0)
                e = cgroup_write(r->b->sysfs_writer, g->dir, "cpuset.cpus",
                                 ktstr_cpus_format(cpus, text, sizeof(text)), reterr);
        if (e < 0)
                return e;
        g->cpus = *cpus;
        g->has_cpus = true;
        g->isolated = keeps_to_its_cpus(g);
        /* The write returns when the kernel has moved who was on a CPU that is no longer of it. */
        workload_cpus_changed(r, g);
        look_below(r, g);
        if (!g->has_mems)
                g->nodes = topo_nodes_of(&r->b->topo, cpus);
        g->has_nodes = true;
        return 0;
}

static int clear_cpuset(struct run *r, struct group *g, struct kt_error *reterr)
{
        int e = g->has_cpus ? cgroup_write(r->b->sysfs_writer, g->dir, "cpuset.cpus", "\n", reterr) : 0;

        if (e < 0)
                return e;
        g->has_cpus = g->isolated = false;
        g->has_nodes = g->has_mems;
        return 0;
}

int define_cpuset(struct run *r, struct group *g, const struct ktstr_cpuset *spec, struct kt_error *reterr)
{
        struct ktstr_cpus cpus;
        int e;

        if (spec->kind == KTSTR_CPUSET_UNSET)
                return clear_cpuset(r, g, reterr);
        e = definition_cpus(r, g->name, spec, &cpus, reterr);
        return e < 0 ? e : define_cpus(r, g, &cpus, reterr);
}

static int set_mems(struct run *r, struct group *g, const char *mems, struct kt_error *reterr)
{
        struct ktstr_cpus ids;
        char text[CPUS_TEXT_MAX];
        int e;

        if (!mems)
                return 0;
        e = definition_nodes(r, g->name, mems, &g->nodes, reterr);
        if (e < 0)
                return e;
        ids = topo_to_kernel(&r->b->topo, &g->nodes);
        e = cgroup_enable(r->b->sysfs_writer, g->dir, "cpuset", reterr);
        if (e >= 0)
                e = cgroup_write(r->b->sysfs_writer, g->dir, "cpuset.mems",
                                 ktstr_cpus_format(&ids, text, sizeof(text)), reterr);
        g->has_mems = g->has_nodes = e >= 0;
        return e;
}

static int make_group(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                      struct kt_error *reterr)
{
        int e = make_above(r, g, reterr);

        if (e >= 0 && !g->made)
                e = make_dir(r, g, reterr);
        if (e < 0)
                return e;
        /* Nobody has asked for it: where it cannot be had there is a scheduler that does not see this one.
         */
        if (is_for_schedulers(r, g))
                (void)cgroup_enable(r->b->sysfs_writer, g->dir, "cpu", NULL);
        e = set_mems(r, g, def->cpuset_mems, reterr);
        if (e >= 0 && def->cpuset.kind != KTSTR_CPUSET_UNSET)
                e = define_cpuset(r, g, &def->cpuset, reterr);
        return e < 0 ? e : limits_apply(r->b->sysfs_writer, g->dir, def, reterr);
}

static int count(struct run *r, struct group *g, const struct ktstr_work_group *wg, struct kt_error *reterr)
{
        unsigned n = 0;
        int e = spawn_count(r, g, wg, &n, reterr);

        r->n_planned += n;
        return e;
}

/* All together: half of them in a machine that is full then would tell nothing. */
static int check_memory(struct run *r, const struct ktstr_cgroup *defs, struct group **groups, unsigned n,
                        struct kt_error *reterr)
{
        int e = 0;

        r->n_planned = 0;
        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = definition_for_each_work_group(r, groups[i], &defs[i], count, reterr);
        return e < 0 ? e : crew_check_memory(r->n_planned, reterr);
}

/* Those of one depth; deeper ones want them. *ret_more: there are deeper ones. */
static int make_groups(struct run *r, const struct ktstr_cgroup *defs, struct group **groups, unsigned n,
                       unsigned depth, bool *ret_more, struct kt_error *reterr)
{
        int e = 0;

        *ret_more = false;
        for (unsigned i = 0; e >= 0 && i < n; i++) {
                if (group_depth(groups[i]) > depth)
                        *ret_more = true;
                if (group_depth(groups[i]) != depth)
                        continue;
                e = make_group(r, groups[i], &defs[i], reterr);
        }
        return e;
}

int define_cgroups(struct run *r, const struct ktstr_cgroup *defs, unsigned n, struct kt_error *reterr)
{
        _cleanup_free_ struct group **groups = calloc(n ?: 1, sizeof(struct group *));
        int e = groups ? 0 : out_of_memory(reterr);
        bool more = true;

        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = name_group(r, &defs[i], &groups[i], reterr);
        for (unsigned depth = 0; e >= 0 && more; depth++)
                e = make_groups(r, defs, groups, n, depth, &more, reterr);
        if (e >= 0)
                e = check_memory(r, defs, groups, n, reterr);
        for (unsigned i = 0; e >= 0 && i < n; i++)
                if (defs[i].payload)
                        e = payload_start(r->b, defs[i].payload, groups[i]->name, NULL, NULL, reterr);
        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = definition_for_each_work_group(r, groups[i], &defs[i], spawn, reterr);
        return e;
}
