/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawn.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "../../proto/bodymsg.h"
#include "affinity.h"
#include "cgroup.h"
#include "identity.h"
#include "mem_policy.h"
#include "policy.h"

/* More than any guest has memory for. */
#define WORKERS_MAX 65536
#define COMM_MAX 15U

static const struct ktstr_cpus *cpuset_of(const struct group *g)
{
        return g->has_cpus ? &g->cpus : NULL;
}

int spawn_count(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                unsigned *ret, struct kt_error *reterr)
{
        double n = wg->workers;

        if (wg->workers == KTSTR_NONE)
                n = 0;
        else if (wg->workers_pct != 0 && wg->workers != 0)
                return kt_error_set(reterr, -EINVAL, NULL, "workers and workers_pct: one of them, not both");
        else if (wg->workers_pct != 0)
                n = ceil(ktstr_cpus_count(cpuset_of(home) ?: &r->b->topo.all) * wg->workers_pct / 100.0);
        else if (wg->workers == 0)
                n = r->b->ctx.workers;
        if (!(n >= 0 && n <= WORKERS_MAX))
                return kt_error_set(reterr, -EINVAL, NULL, "%g workers: it has to be from 0 to %d", n,
                                    WORKERS_MAX);
        *ret = (unsigned)n;
        return 0;
}

static int check(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                 unsigned n, struct kt_error *reterr)
{
        const struct work_type *type;
        int e = work_check(&wg->work, n, &r->b->topo, reterr);

        if (e < 0)
                return e;
        type = work_type_of(wg->work.type);
        if (type->sets_policy && wg->policy.class != KTSTR_POLICY_UNSET)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "%s sets the policy of its workers itself: it cannot be given one",
                                    type->name);
        if (wg->comm && strlen(wg->comm) > COMM_MAX)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "comm '%s' is longer than the kernel's %u characters", wg->comm,
                                    COMM_MAX);
        e = policy_check(&wg->policy, wg->nice, reterr);
        if (e >= 0)
                e = mem_policy_check(&wg->mem_policy, &r->b->topo, home->has_nodes ? &home->nodes : NULL,
                                     reterr);
        return e < 0 ? e : affinity_check(&wg->affinity, &r->b->topo, cpuset_of(home), reterr);
}

/* Of a home that is not known: what is wrong in every one. */
static int check_anywhere(const struct run *r, const struct ktstr_work_group *wg, struct kt_error *reterr)
{
        struct group least = {.has_cpus = true}, most = {.has_cpus = true, .cpus = r->b->topo.all};
        unsigned n = 0;
        int e;

        ktstr_cpus_add(&least.cpus, 0);
        e = spawn_count(r, &least, wg, &n, reterr);
        return e < 0 ? e : check(r, &most, wg, wg->workers_pct != 0 ? 0 : n, reterr);
}

int spawn_check(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                struct kt_error *reterr)
{
        unsigned n = 0;
        int e;

        if (!home)
                return check_anywhere(r, wg, reterr);
        e = spawn_count(r, home, wg, &n, reterr);
        return e < 0 ? e : check(r, home, wg, n, reterr);
}

/* In the worker, which is in its cgroup: what no other process can do for it. */
static void settle(struct ktstr_worker *w, const void *data)
{
        const struct ktstr_work_group *wg = data;
        int r = mem_policy_apply(&wg->mem_policy, w->topo);

        if (r < 0)
                worker_die(w, "cannot set its memory policy: %s", strerror(-r));
        r = identity_become(wg->uid, wg->gid);
        if (r < 0)
                worker_die(w, "cannot become user %d, group %d: %s", (int)wg->uid, (int)wg->gid,
                           strerror(-r));
}

/* From outside, while it waits at the gate: what goes wrong is known before anything runs. */
static int place(struct run *r, struct group *home, struct crew *c, const struct ktstr_work_group *wg,
                 const struct ktstr_cpus *cpus, struct kt_error *reterr)
{
        int e = 0;

        for (unsigned i = 0; e >= 0 && i < c->n; i++) {
                pid_t pid = c->workers[i].pid;

                e = cgroup_move(r->b->sysfs_writer, home->dir ?: CGROUP_ROOT, pid, reterr);
                if (e >= 0 && wg->affinity.kind != KTSTR_AFFINITY_UNSET)
                        e = affinity_apply(pid, &cpus[i], reterr);
                if (e >= 0)
                        e = policy_apply(pid, &wg->policy, wg->nice, reterr);
        }
        return e;
}

static int fork_crew(struct run *r, struct group *home, struct crew *c, const struct ktstr_work_group *wg,
                     unsigned n, struct kt_error *reterr)
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
                .settle = settle,
                .data = wg,
        };
        int e;

        if (!cpus)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        e = affinity_resolve(&wg->affinity, &r->b->topo, cpuset_of(home), n, &r->b->random, cpus, reterr);
        if (e < 0)
                return e;
        r->b->n_workers += n;
        e = crew_make(c, &plan, &r->b->gate, &r->b->talk, reterr);
        return e < 0 ? e : place(r, home, c, wg, cpus, reterr);
}

/* In how many cgroups of this scenario there are, or were, workers. */
static size_t count_homes(const struct run *r)
{
        size_t n = 0;

        kt_list_for_each (it, &r->b->groups)
                n += !kt_list_empty(&kt_list_entry(it, struct group, link)->crews);
        return n;
}

/* Is there room in the result for what they measure? */
static int check_room(const struct run *r, const struct group *home, unsigned n, struct kt_error *reterr)
{
        const unsigned before = r->b->n_workers;

        if (before + n > KT_BODY_WORKERS_MAX)
                return kt_error_set(reterr, -E2BIG, NULL,
                                    "%u workers more than the %u before: a test has at most %u in all", n,
                                    before, KT_BODY_WORKERS_MAX);
        if (kt_list_empty(&home->crews) && r->b->workload.n_cgroups + count_homes(r) >= KT_BODY_CGROUPS_MAX)
                return kt_error_set(reterr, -E2BIG, NULL,
                                    "a test has at most %u cgroups with workers in all",
                                    KT_BODY_CGROUPS_MAX);
        return 0;
}

int spawn(struct run *r, struct group *home, const struct ktstr_work_group *wg, struct kt_error *reterr)
{
        struct group_crew *c;
        unsigned n = 0;
        int e;

        e = spawn_count(r, home, wg, &n, reterr);
        if (e >= 0)
                e = check(r, home, wg, n, reterr);
        if (e >= 0)
                e = check_room(r, home, n, reterr);
        if (e < 0 || n == 0)
                return e;
        c = calloc(1, sizeof(*c));
        if (!c)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        c->home = c->where = home;
        home->inhabited = true;
        kt_list_append(&home->crews, &c->link);
        return fork_crew(r, home, &c->crew, wg, n, reterr);
}
