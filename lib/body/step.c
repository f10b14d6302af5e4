/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "step.h"

#include <errno.h>
#include <stdio.h>

#include "define.h"
#include "op.h"
#include "wait.h"
#include "workload.h"

#define NS_PER_MS 1000000ULL
/* A week: nobody waits longer, and as nanoseconds it fits. */
#define HOLD_MAX_MS 604800000ULL

int hold_check(const struct ktstr_hold *hold, uint64_t duration_ms, uint64_t *ret_ns,
               struct kt_error *reterr)
{
        double frac = hold->kind == KTSTR_HOLD_UNSET ? 1.0 : hold->frac;

        if ((unsigned)hold->kind > KTSTR_HOLD_LOOP_)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no kind of hold %d", (int)hold->kind);
        if (hold->kind == KTSTR_HOLD_FIXED_) {
                if (hold->ms > HOLD_MAX_MS)
                        return kt_error_set(reterr, -EINVAL, NULL, "a hold of %llu ms is longer than a week",
                                            (unsigned long long)hold->ms);
                *ret_ns = hold->ms * NS_PER_MS;
                return 0;
        }
        if (!(frac >= 0 && frac <= 1))
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "a hold is a fraction of the test's duration, from 0 to 1, not %g",
                                    frac);
        if (hold->kind == KTSTR_HOLD_LOOP_ && (hold->interval_ms == 0 || hold->interval_ms > HOLD_MAX_MS))
                return kt_error_set(reterr, -EINVAL, NULL, "a loop wants an interval of 1 ms or more");
        *ret_ns = (uint64_t)(frac * (double)duration_ms * (double)NS_PER_MS);
        return 0;
}

static int run_ops(struct run *r, const struct ktstr_step *step, struct kt_error *reterr)
{
        int e = 0;

        for (unsigned i = 0; e >= 0 && i < step->n_ops; i++)
                e = op_run(r, &step->ops[i], reterr);
        return e;
}

/* Its operations at once, and then every interval. One that takes longer than that is not made up for. */
static int loop(struct run *r, const struct ktstr_step *step, uint64_t end_ns, struct kt_error *reterr)
{
        const uint64_t interval_ns = step->hold.interval_ms * NS_PER_MS;
        uint64_t next = worker_now_ns();
        int e = 0;

        while (e >= 0 && next < end_ns) {
                uint64_t now;

                e = wait_until(r, next);
                if (e >= 0)
                        e = run_ops(r, step, reterr);
                now = worker_now_ns();
                next += interval_ns;
                if (next < now)
                        next = now;
        }
        return e < 0 ? e : wait_until(r, end_ns);
}

static int set_up(struct run *r, const struct ktstr_step *step, struct kt_error *reterr)
{
        int e = define_cgroups(r, step->cgroups, step->n_cgroups, reterr);

        if (e >= 0)
                workload_release(r);
        return e;
}

static int play(struct run *r, const struct ktstr_step *step, uint64_t hold_ns, struct kt_error *reterr)
{
        bool in_loop = step->hold.kind == KTSTR_HOLD_LOOP_;
        uint64_t end_ns;
        int e;

        r->step = step;
        e = in_loop ? 0 : run_ops(r, step, reterr);
        r->step = NULL;
        if (e >= 0)
                e = set_up(r, step, reterr);
        if (e < 0)
                return e;
        end_ns = worker_now_ns() + hold_ns;
        e = in_loop ? loop(r, step, end_ns, reterr) : wait_until(r, end_ns);
        return e < 0 ? e : wait_for_progress(r);
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

const char *step_name(const struct ktstr_step *step, unsigned number, char text[STEP_NAME_MAX])
{
        if (step->name)
                snprintf(text, STEP_NAME_MAX, "%s", step->name);
        else
                snprintf(text, STEP_NAME_MAX, "step %u", number);
        return text;
}

int step_run(struct run *r, const struct ktstr_step *step, unsigned number, struct kt_error *reterr)
{
        uint64_t hold_ns = 0;
        char name[STEP_NAME_MAX];
        int e, down;

        step_name(step, number, name);
        e = hold_check(&step->hold, r->b->ctx.duration_ms, &hold_ns, reterr);
        body_event(r->b, "step", "state", "begin", "step", name);
        r->in_step = true;
        if (e >= 0)
                e = play(r, step, hold_ns, reterr);
        down = tear_down(r, e < 0 ? NULL : reterr);
        r->in_step = false;
        body_event(r->b, "step", "state", "end", "step", name);
        e = e < 0 ? e : down;
        if (e < 0 && kt_error_isset(reterr))
                kt_error_prefix(reterr, "%s", name);
        return e;
}
