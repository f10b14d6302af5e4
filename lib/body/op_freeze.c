/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cgroup.h"
#include "op.h"
#include "wait.h"
#include "workload.h"

static bool is_frozen(struct run *r, void *data)
{
        const struct group *g = data;

        return cgroup_event(g->dir, "frozen");
}

int op_freeze_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0 || g->frozen_ns)
                return e;
        /* From before it: workers stop while the kernel is still at it. */
        g->frozen_ns = worker_now_ns();
        e = cgroup_write(r->b->scribe, g->dir, "cgroup.freeze", "1", reterr);
        if (e < 0) {
                g->frozen_ns = 0;
                return e;
        }
        /* Each worker has to run once more to stop. */
        e = wait_for(r, is_frozen, g);
        if (e == -ETIMEDOUT)
                return kt_error_set(reterr, e, NULL,
                                    "cgroup '%s' does not freeze: nobody lets its workers run", g->name);
        return e;
}

static int add_pause(struct run *r, struct group_crew *c, void *data, struct kt_error *reterr)
{
        crew_paused(&c->crew, *(uint64_t *)data);
        return 0;
}

int op_thaw_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        uint64_t paused_ns;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0 || !g->frozen_ns)
                return e;
        paused_ns = worker_now_ns() - g->frozen_ns;
        workload_for_each(r, g, add_pause, &paused_ns, NULL);
        g->frozen_ns = 0;
        return cgroup_write(r->b->scribe, g->dir, "cgroup.freeze", "0", reterr);
}
