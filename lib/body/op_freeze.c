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
        uint64_t before = worker_now_ns();
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0 || g->frozen)
                return e;
        e = cgroup_write(r->b->sysfs_writer, g->dir, "cgroup.freeze", "1", reterr);
        if (e < 0)
                return e;
        /* From before it: workers stop while the kernel is still at it. */
        workload_freeze(r, g, before);
        /* Each worker has to run once more to stop. */
        e = wait_for(r, is_frozen, g);
        if (e == -ETIMEDOUT)
                return kt_error_set(reterr, e, NULL,
                                    "cgroup '%s' does not freeze: nobody lets its workers run", g->name);
        return e;
}

int op_thaw_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0 || !g->frozen)
                return e;
        workload_thaw(r, g);
        return cgroup_write(r->b->sysfs_writer, g->dir, "cgroup.freeze", "0", reterr);
}
