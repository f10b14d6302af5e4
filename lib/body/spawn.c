/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawn.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "cgroup.h"

/* More than any guest has memory for. */
#define WORKERS_MAX 65536

static const struct ktstr_cpus *cpus_of(const struct run *r, const struct group *g)
{
        return g->has_cpus ? &g->cpus : &r->b->topo.all;
}

static int count(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                 unsigned *ret, struct kt_error *reterr)
{
        double n = wg->workers;

        if (wg->workers == KTSTR_NONE)
                n = 0;
        else if (wg->workers_pct != 0 && wg->workers != 0)
                return kt_error_set(reterr, -EINVAL, NULL, "workers and workers_pct: one of them, not both");
        else if (wg->workers_pct != 0)
                n = ceil(ktstr_cpus_count(cpus_of(r, home)) * wg->workers_pct / 100.0);
        else if (wg->workers == 0)
                n = r->b->ctx.workers;
        if (!(n >= 0 && n <= WORKERS_MAX))
                return kt_error_set(reterr, -EINVAL, NULL, "%g workers: it has to be from 0 to %d", n,
                                    WORKERS_MAX);
        *ret = (unsigned)n;
        return 0;
}

static int place(struct run *r, struct group *home, struct crew *c, struct kt_error *reterr)
{
        int e = 0;

        for (unsigned i = 0; e >= 0 && home->dir && i < c->n; i++)
                e = cgroup_move(home->dir, c->workers[i].pid, reterr);
        return e;
}

static int fork_crew(struct run *r, struct group *home, struct group_crew *c,
                     const struct ktstr_work_group *wg, unsigned n, struct kt_error *reterr)
{
        _cleanup_free_ struct ktstr_cpus *cpus = calloc(n, sizeof(*cpus));
        const struct crew_plan plan = {
                .n = n,
                .work = &wg->work,
                .topo = &r->b->topo,
                .cpus = cpus,
                .cgroup_dir = home->dir,
                .comm = wg->comm,
                .seed = r->b->ctx.seed + r->b->n_workers,
        };
        int e;

        if (!cpus)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        for (unsigned i = 0; i < n; i++)
                cpus[i] = *cpus_of(r, home);
        r->b->n_workers += n;
        e = crew_make(&c->crew, &plan, &r->b->gate, &r->b->talk, reterr);
        return e < 0 ? e : place(r, home, &c->crew, reterr);
}

int spawn(struct run *r, struct group *home, const struct ktstr_work_group *wg, struct kt_error *reterr)
{
        struct group_crew *c;
        unsigned n = 0;
        int e;

        e = count(r, home, wg, &n, reterr);
        if (e >= 0)
                e = work_check(&wg->work, n, &r->b->topo, reterr);
        if (e < 0 || n == 0)
                return e;
        c = calloc(1, sizeof(*c));
        if (!c)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        c->home = c->where = home;
        kt_list_append(&home->crews, &c->link);
        return fork_crew(r, home, c, wg, n, reterr);
}
