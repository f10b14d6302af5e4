/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "affinity.h"
#include "cgroup.h"
#include "op.h"
#include "spawn.h"
#include "workload.h"

/* What a report calls those who are in no cgroup; no cgroup can be called so. */
#define HOST_NAME "(host)"

int op_spawn(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e >= 0)
                e = spawn(r, g, &op->group, reterr);
        if (e >= 0)
                workload_release(r);
        return e;
}

/* Of this step. */
static struct group *host_group(struct run *r)
{
        struct group *g;

        kt_list_for_each (it, &r->b->groups) {
                g = kt_list_entry(it, struct group, link);
                if (g->live && !g->dir)
                        return g;
        }
        return group_new(&r->b->groups, HOST_NAME, NULL);
}

int op_spawn_host(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = host_group(r);
        int e = g ? spawn(r, g, &op->group, reterr)
                  : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));

        if (e >= 0)
                workload_release(r);
        return e;
}

static int bind_crew(struct run *r, struct group_crew *c, void *data, struct kt_error *reterr)
{
        const struct ktstr_affinity *a = data;
        _cleanup_free_ struct ktstr_cpus *cpus = calloc(c->crew.n ?: 1, sizeof(*cpus));
        int e = cpus ? 0 : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));

        if (e >= 0)
                e = affinity_resolve(a, &r->b->topo, c->where->has_cpus ? &c->where->cpus : NULL, c->crew.n,
                                     &r->b->random, cpus, reterr);
        for (unsigned i = 0; e >= 0 && i < c->crew.n; i++)
                if (c->crew.workers[i].pid > 0)
                        e = affinity_apply(c->crew.workers[i].pid, &cpus[i], reterr);
        return e;
}

int op_set_affinity(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct ktstr_affinity affinity = op->affinity;
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        return e < 0 ? e : workload_for_each(r, g, bind_crew, &affinity, reterr);
}

static int note_move(struct run *r, struct group_crew *c, void *data, struct kt_error *reterr)
{
        c->where = data;
        c->where->inhabited = true;
        /* They have run elsewhere than their cgroup says. */
        c->home->strayed = true;
        return 0;
}

int op_move_all_tasks(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *from = NULL, *to = NULL;
        unsigned n = 0;
        int e = run_find(r, op->cgroup, &from, reterr);

        if (e >= 0)
                e = run_find(r, op->to, &to, reterr);
        if (e >= 0 && (group_is_frozen(&r->b->groups, from) || group_is_frozen(&r->b->groups, to)))
                return kt_error_set(reterr, -EBUSY, NULL, "cgroup '%s' is frozen",
                                    group_is_frozen(&r->b->groups, from) ? from->name : to->name);
        if (e >= 0)
                e = cgroup_move_all(r->b->sysfs_writer, from->dir, to->dir, &n, reterr);
        return e < 0 ? e : workload_for_each(r, from, note_move, to, reterr);
}
