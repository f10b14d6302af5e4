/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups by their definition: made with their workers, and removed. */
#include <errno.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "cgroup.h"
#include "spawn.h"

/* cg_0, cg_1, …: the first that is free. */
static char *free_name(struct run *r)
{
        for (unsigned i = 0;; i++) {
                char *name = kt_format("cg_%u", i);

                if (!name || !group_find(&r->b->groups, name))
                        return name;
                free(name);
        }
}

static int make_group(struct run *r, const struct ktstr_cgroup *def, struct group **ret,
                      struct kt_error *reterr)
{
        _cleanup_free_ char *name = def->name ? strdup(def->name) : free_name(r);
        _cleanup_free_ char *dir = name ? kt_path_join(r->b->cgroup_parent, name) : NULL;
        struct group *g = dir ? group_new(&r->b->groups, name, dir, r->number) : NULL;
        int e;

        if (!g)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        e = cgroup_make(dir, reterr);
        if (e < 0) {
                group_free(g);
                return e;
        }
        g->live = true;
        g->backdrop = !r->in_step;
        *ret = g;
        return 0;
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

static int spawn_workers(struct run *r, struct group *g, const struct ktstr_cgroup *def,
                         struct kt_error *reterr)
{
        const struct ktstr_work_group own = own_workers(def);
        int e = 0;

        if (def->n_works == 0 || def->workers != 0 || def->workers_pct != 0)
                e = spawn(r, g, &own, reterr);
        for (unsigned i = 0; e >= 0 && i < def->n_works; i++)
                e = spawn(r, g, &def->works[i], reterr);
        if (e < 0)
                kt_error_prefix(reterr, "cgroup '%s'", g->name);
        return e;
}

int define_cgroups(struct run *r, const struct ktstr_cgroup *defs, unsigned n, struct kt_error *reterr)
{
        _cleanup_free_ struct group **made = calloc(n, sizeof(struct group *));
        int e = made || n == 0 ? 0 : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));

        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = make_group(r, &defs[i], &made[i], reterr);
        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = spawn_workers(r, made[i], &defs[i], reterr);
        return e;
}

static bool is_empty(struct run *r, void *data)
{
        return !cgroup_populated(data);
}

/* Dying takes a turn on a CPU. */
static int do_not_die(struct run *r, struct kt_error *reterr)
{
        r->blame_scheduler = r->b->ctx.scheduler;
        return kt_error_set(reterr, -ETIMEDOUT, NULL,
                            "workers that were killed %llu s ago are not dead: nobody lets them run",
                            (unsigned long long)r->b->watchdog_ms / 1000);
}

static int remove_group(struct run *r, struct group *g, struct kt_error *reterr)
{
        int e = 0;

        if (g->dir) {
                cgroup_kill(g->dir);
                e = wait_for(r, is_empty, g->dir);
        }
        if (e == -ETIMEDOUT)
                return do_not_die(r, reterr);
        if (e >= 0 && g->dir)
                e = cgroup_remove(g->dir, reterr);
        if (e >= 0)
                g->live = g->going = false;
        return e;
}

int remove_groups(struct run *r, struct kt_error *reterr)
{
        int first = workload_stop(r);

        if (first == -ETIMEDOUT)
                do_not_die(r, reterr);
        /* The last first: a cgroup is made after the one that it is in. */
        for (struct kt_list *it = r->b->groups.prev, *prev = it->prev; it != &r->b->groups;
             it = prev, prev = it->prev) {
                struct group *g = kt_list_entry(it, struct group, link);
                int e = g->going ? remove_group(r, g, first ? NULL : reterr) : 0;

                first = first ?: e;
        }
        return first;
}
