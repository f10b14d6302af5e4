/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scenario: its backdrop, its steps in their order, and what they came to. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "define.h"
#include "hotplug.h"
#include "judge.h"
#include "payload.h"
#include "plan.h"
#include "record.h"
#include "step.h"
#include "workload.h"

/* The names of all that are there, as many as fit. */
static void list_names(struct run *r, char *text, size_t size)
{
        size_t len = 0;

        snprintf(text, size, "none");
        kt_list_for_each (it, &r->b->groups) {
                const struct group *g = kt_list_entry(it, struct group, link);

                if (!g->live || !g->dir || len + strlen(g->name) + 3 > size)
                        continue;
                len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "", g->name);
        }
}

static bool is_to_come(const struct run *r, const char *name)
{
        for (unsigned i = 0; r->step && i < r->step->n_cgroups; i++)
                if (r->step->cgroups[i].name && strcmp(r->step->cgroups[i].name, name) == 0)
                        return true;
        return false;
}

int run_find(struct run *r, const char *name, struct group **ret, struct kt_error *reterr)
{
        struct group *g = group_find(&r->b->groups, name);
        char names[512];

        if (!g && is_to_come(r, name))
                return kt_error_set(
                        reterr, -ENOENT, NULL,
                        "there is no cgroup '%s' yet: a step's operations come before its cgroups", name);
        if (!g) {
                list_names(r, names, sizeof(names));
                return kt_error_set(reterr, -ENOENT, NULL, "there is no cgroup '%s'; there are: %s", name,
                                    names);
        }
        *ret = g;
        return 0;
}

/* Everything goes, the CPUs first: nothing else is to wait for one that is not there. */
static int end(struct run *r, struct kt_error *reterr)
{
        struct kt_workload *w = &r->b->workload;
        int first = hotplug_restore(r, reterr), e;

        kt_list_for_each (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                g->going = g->live;
        }
        e = remove_groups(r, first ? NULL : reterr);
        r->payloads = ktstr_worse(r->payloads, payload_end_all(r->b, true));
        first = first ?: e;
        if (w->started_ns && !w->stopped_ns) {
                w->stopped_ns = worker_now_ns();
                body_event(r->b, "workload_stopped", NULL, NULL, NULL, NULL);
        }
        return first;
}

/* What is left of a scenario. */
static int record(struct run *r, struct kt_error *reterr)
{
        int e = 0;

        kt_list_for_each_safe (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                if (e >= 0)
                        e = record_group(g, r->number, &r->b->workload);
                group_free(g);
        }
        return e < 0 ? kt_error_set(reterr, e, NULL, "there is no memory for what the workers measured") : 0;
}

static int run_steps(struct run *r, struct kt_error *reterr)
{
        int e = plan_check(r, reterr);

        if (e >= 0)
                e = define_cgroups(r, r->scenario->cgroups, r->scenario->n_cgroups, reterr);
        if (e >= 0)
                workload_release(r);
        for (unsigned i = 0; e >= 0 && i < r->scenario->n_steps; i++)
                e = conversation_over(&r->b->talk) ? RUN_OVER
                                                   : step_run(r, &r->scenario->steps[i], i, reterr);
        return e;
}

/* What the errno of a scenario means for its test. */
static enum ktstr_outcome say(struct run *r, int e, const struct kt_error *err)
{
        struct ktstr_ctx *ctx = &r->b->ctx;

        if (e == RUN_SAID)
                return r->said;
        if (e == RUN_OVER || conversation_over(&r->b->talk))
                return r->b->talk.sched_gone ? KTSTR_FAIL : KTSTR_INCONCLUSIVE;
        if (ctx->scheduler && (e == -ETIMEDOUT || e == -EPROTO))
                return ktstr_fail(ctx, "%s", kt_error_text(err));
        return ktstr_error(ctx, "%s", kt_error_text(err));
}

enum ktstr_outcome ktstr_run_scenario(struct ktstr_ctx *ctx, const struct ktstr_scenario *scenario)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct ktstr_body *b = body_of(ctx);
        struct run r = {.b = b, .scenario = scenario};
        const size_t first_cgroup = b->workload.n_cgroups;
        enum ktstr_outcome outcome;
        int number, e, ended, recorded;

        if (ctx->test && ctx->test->host_only == KTSTR_ON)
                return ktstr_error(ctx, "a scenario makes cgroups, and may take CPUs offline: it needs a "
                                        "guest: take .host_only away");
        if (b->in_scenario)
                return ktstr_error(ctx, "a scenario cannot be run within another");
        number = judge_begin(b, scenario, &err);
        if (number < 0)
                return ktstr_error(ctx, "%s", kt_error_text(&err));
        r.number = (unsigned)number;
        b->in_scenario = true;
        e = run_steps(&r, &err);
        ended = end(&r, e < 0 ? NULL : &err);
        e = e < 0 ? e : ended;
        recorded = record(&r, e < 0 ? NULL : &err);
        e = e < 0 ? e : recorded;
        b->in_scenario = false;
        outcome = e < 0 ? say(&r, e, &err) : ktstr_worse(r.payloads, judge_end(b, r.number));
        return ktstr_worse(outcome, judge_ends(b, first_cgroup));
}
