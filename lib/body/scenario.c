/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scenario: its backdrop, its steps in their order, and what they came to. */
#include <errno.h>

#include "judge.h"
#include "run.h"

static int end(struct run *r, struct kt_error *reterr)
{
        int e;

        kt_list_for_each (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                g->going = g->live;
        }
        e = remove_groups(r, reterr);
        if (r->b->started_ns && !r->b->stopped_ns) {
                r->b->stopped_ns = worker_now_ns();
                body_event(r->b, "workload_stopped", NULL, NULL);
        }
        return e;
}

static int run_steps(struct run *r, struct kt_error *reterr)
{
        int e = define_cgroups(r, r->scenario->cgroups, r->scenario->n_cgroups, reterr);

        for (unsigned i = 0; e >= 0 && i < r->scenario->n_steps; i++)
                e = step_run(r, &r->scenario->steps[i], i, reterr);
        return e;
}

/* What the errno of a scenario means for its test. */
static enum ktstr_outcome say(struct run *r, int e, const struct kt_error *err)
{
        struct ktstr_ctx *ctx = &r->b->ctx;

        if (e >= 0)
                return KTSTR_PASS;
        if (e == -ECANCELED)
                return r->b->talk.sched_gone ? KTSTR_FAIL : KTSTR_INCONCLUSIVE;
        if (r->blame_scheduler)
                return ktstr_fail(ctx, "%s", kt_error_text(err));
        return ktstr_error(ctx, "%s", kt_error_text(err));
}

enum ktstr_outcome ktstr_run_scenario(struct ktstr_ctx *ctx, const struct ktstr_scenario *scenario)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct ktstr_body *b = body_of(ctx);
        struct run r = {.b = b, .scenario = scenario, .number = b->n_scenarios};
        enum ktstr_outcome outcome;
        int e, ended;

        if (b->in_scenario)
                return ktstr_error(ctx, "a scenario cannot be run within another");
        b->in_scenario = true;
        judge_begin(b, scenario);
        e = run_steps(&r, &err);
        ended = end(&r, e < 0 ? NULL : &err);
        b->in_scenario = false;
        e = e < 0 ? e : ended;
        outcome = say(&r, e, &err);
        return e < 0 ? outcome : judge_end(b, r.number);
}
