/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "affinity.h"
#include "definition.h"
#include "op.h"
#include "spawn.h"
#include "step.h"

struct plan {
        struct run *r;
        struct kt_list groups; /* as they would be called; the kernel has none of them */
};

static void forget_groups(struct plan *p, bool backdrop)
{
        kt_list_for_each_safe (it, &p->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                if (g->backdrop == backdrop)
                        group_free(g);
        }
}

static int check_cgroup(struct plan *p, const struct ktstr_cgroup *def, bool backdrop,
                        struct kt_error *reterr)
{
        _cleanup_free_ char *name = def->name ? strdup(def->name) : group_free_name(&p->groups);
        struct group *g = name ? group_new(&p->groups, name, "") : NULL;

        if (!g)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        g->backdrop = backdrop;
        return definition_check(p->r, g, def, reterr);
}

static int check_cgroups(struct plan *p, const struct ktstr_cgroup *defs, unsigned n, bool backdrop,
                         struct kt_error *reterr)
{
        int e = 0;

        for (unsigned i = 0; e >= 0 && i < n; i++)
                e = check_cgroup(p, &defs[i], backdrop, reterr);
        return e;
}

static int check_specs(struct plan *p, const struct ktstr_op *op, struct kt_error *reterr)
{
        const struct group host = {};
        struct ktstr_cpus cpus;

        switch (op->kind) {
        case KTSTR_OP_ADD_CGROUP:
                return check_cgroup(p, &op->def, false, reterr);
        case KTSTR_OP_SET_CPUSET:
                return op->cpuset.kind == KTSTR_CPUSET_UNSET
                               ? 0
                               : definition_cpus(p->r, op->cgroup, &op->cpuset, &cpus, reterr);
        case KTSTR_OP_SPAWN:
                return spawn_check(p->r, NULL, &op->group, reterr);
        case KTSTR_OP_SPAWN_HOST:
                return spawn_check(p->r, &host, &op->group, reterr);
        case KTSTR_OP_SET_AFFINITY:
                return affinity_check(&op->affinity, &p->r->b->topo, &p->r->b->topo.all, reterr);
        default:
                return 0;
        }
}

static int check_op(struct plan *p, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e = op_check(p->r, op, reterr);

        if (e < 0)
                return e;
        e = check_specs(p, op, reterr);
        if (e < 0)
                kt_error_prefix(reterr, "%s", op_name(op));
        return e;
}

static int check_ops(struct plan *p, const struct ktstr_step *step, struct kt_error *reterr)
{
        int e = 0;

        for (unsigned i = 0; e >= 0 && i < step->n_ops; i++)
                e = check_op(p, &step->ops[i], reterr);
        return e;
}

/* In the order in which they would be done: cgroups without a name are called by it. */
static int check_parts(struct plan *p, const struct ktstr_step *step, struct kt_error *reterr)
{
        const bool in_loop = step->hold.kind == KTSTR_HOLD_LOOP_;
        uint64_t hold_ns;
        int e = hold_check(&step->hold, p->r->b->ctx.duration_ms, &hold_ns, reterr);

        if (e >= 0 && !in_loop)
                e = check_ops(p, step, reterr);
        if (e >= 0)
                e = check_cgroups(p, step->cgroups, step->n_cgroups, false, reterr);
        if (e >= 0 && in_loop)
                e = check_ops(p, step, reterr);
        return e;
}

static int check_step(struct plan *p, const struct ktstr_step *step, unsigned number,
                      struct kt_error *reterr)
{
        char name[STEP_NAME_MAX];
        int e = check_parts(p, step, reterr);

        forget_groups(p, false);
        if (e < 0)
                kt_error_prefix(reterr, "%s", step_name(step, number, name));
        return e;
}

int plan_check(struct run *r, struct kt_error *reterr)
{
        const struct ktstr_scenario *s = r->scenario;
        struct plan p = {.r = r};
        int e;

        kt_list_init(&p.groups);
        e = check_cgroups(&p, s->cgroups, s->n_cgroups, true, reterr);
        for (unsigned i = 0; e >= 0 && i < s->n_steps; i++)
                e = check_step(&p, &s->steps[i], i, reterr);
        forget_groups(&p, true);
        return e;
}
