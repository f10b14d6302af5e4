/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "define.h"
#include "op.h"
#include "workload.h"

int op_add_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e = define_cgroups(r, &op->def, 1, reterr);

        if (e >= 0)
                workload_release(r);
        return e;
}

int op_remove_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0)
                return e;
        kt_list_for_each (it, &r->b->groups) {
                const struct group *other = kt_list_entry(it, struct group, link);

                if (other->live && group_is_below(other, g))
                        return kt_error_set(reterr, -EBUSY, NULL,
                                            "cgroup '%s' has '%s' in it: that is to be removed first",
                                            g->name, other->name);
        }
        g->going = true;
        return remove_groups(r, reterr);
}

int op_stop_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        if (e < 0)
                return e;
        g->going = true;
        e = workload_stop(r);
        g->going = false;
        if (e == -ETIMEDOUT)
                return kt_error_set(reterr, e, NULL,
                                    "the workers of cgroup '%s' do not die: nobody lets them run", g->name);
        return e;
}

int op_set_cpuset(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        return e < 0 ? e : define_cpuset(r, g, &op->cpuset, reterr);
}

int op_clear_cpuset(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        const struct ktstr_cpuset none = {};
        struct group *g = NULL;
        int e = run_find(r, op->cgroup, &g, reterr);

        return e < 0 ? e : define_cpuset(r, g, &none, reterr);
}

int op_swap_cpusets(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct group *a = NULL, *b = NULL;
        struct ktstr_cpus cpus;
        int e = run_find(r, op->cgroup, &a, reterr);

        if (e >= 0)
                e = run_find(r, op->to, &b, reterr);
        if (e < 0)
                return e;
        if (!a->has_cpus || !b->has_cpus)
                return kt_error_set(reterr, -EINVAL, NULL, "cgroup '%s' has no cpuset to swap",
                                    a->has_cpus ? b->name : a->name);
        cpus = a->cpus;
        e = define_cpus(r, a, &b->cpus, reterr);
        return e < 0 ? e : define_cpus(r, b, &cpus, reterr);
}
