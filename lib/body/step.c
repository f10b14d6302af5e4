/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A step: its cgroups, its hold, and the end of both. */
#include <errno.h>
#include <stdio.h>

#include "run.h"

#define NS_PER_MS 1000000.0

static int hold_ns(const struct run *r, const struct ktstr_hold *hold, uint64_t *ret,
                   struct kt_error *reterr)
{
        double frac = hold->kind == KTSTR_HOLD_UNSET ? 1.0 : hold->frac;

        if (hold->kind == KTSTR_HOLD_FIXED_) {
                *ret = hold->ms * (uint64_t)NS_PER_MS;
                return 0;
        }
        if (!(frac >= 0 && frac <= 1))
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "a hold is a fraction of the test's duration, 0 to 1: %g", frac);
        *ret = (uint64_t)(frac * (double)r->b->ctx.duration_ms * NS_PER_MS);
        return 0;
}

/* What the step made goes. */
static int tear_down(struct run *r, struct kt_error *reterr)
{
        kt_list_for_each (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                g->going = g->live && !g->backdrop;
        }
        return remove_groups(r, reterr);
}

static int hold(struct run *r, const struct ktstr_step *step, struct kt_error *reterr)
{
        uint64_t ns = 0, start = worker_now_ns();
        int e = hold_ns(r, &step->hold, &ns, reterr);

        return e < 0 ? e : wait_until(r, start + ns);
}

int step_run(struct run *r, const struct ktstr_step *step, unsigned number, struct kt_error *reterr)
{
        char name[64];
        int e, down;

        snprintf(name, sizeof(name), "step %u", number);
        r->in_step = true;
        e = define_cgroups(r, step->cgroups, step->n_cgroups, reterr);
        if (e >= 0) {
                workload_release(r);
                e = hold(r, step, reterr);
        }
        if (e >= 0)
                e = wait_for_progress(r);
        if (e < 0 && e != -ECANCELED)
                kt_error_prefix(reterr, "%s", step->name ?: name);
        down = tear_down(r, e < 0 ? NULL : reterr);
        return e < 0 ? e : down;
}
