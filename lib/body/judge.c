/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../proto/bodymsg.h"
#include "../check.h"
#include "../thresholds.h"

int judge_begin(struct ktstr_body *b, const struct ktstr_scenario *scenario, struct kt_error *reterr)
{
        struct kt_workload *w = &b->workload;
        struct kt_scenario *grown;

        if (w->n_scenarios >= KT_BODY_SCENARIOS_MAX)
                return kt_error_set(reterr, -E2BIG, NULL,
                                    "a test runs at most %u scenarios: make steps of one, or more tests",
                                    KT_BODY_SCENARIOS_MAX);
        grown = reallocarray(w->scenarios, w->n_scenarios + 1, sizeof(*grown));
        if (!grown)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        w->scenarios = grown;
        w->cpus = b->topo.all;
        grown[w->n_scenarios] = (struct kt_scenario){.checks = b->checks};
        if (scenario->checks)
                kt_checks_merge(&grown[w->n_scenarios].checks, scenario->checks);
        return (int)w->n_scenarios++;
}

bool judge_wants_pages(const struct ktstr_body *b, unsigned scenario)
{
        const struct ktstr_checks *c = &b->workload.scenarios[scenario].checks;

        return kt_threshold_is_on(c->min_page_locality) || kt_threshold_is_on(c->max_slow_tier_ratio) ||
               kt_threshold_is_on(c->max_cross_node_migration_ratio);
}

/* A workload of this scenario alone; borrowed from the whole, but for the array of cgroups. */
static int extract(const struct kt_workload *all, unsigned scenario, struct kt_workload *ret)
{
        *ret = (struct kt_workload){
                .started_ns = all->started_ns,
                .stopped_ns = all->stopped_ns,
                .scenarios = &all->scenarios[scenario],
                .n_scenarios = 1,
                .cgroups = calloc(all->n_cgroups ?: 1, sizeof(*all->cgroups)),
        };
        if (!ret->cgroups)
                return -ENOMEM;
        for (size_t i = 0; i < all->n_cgroups; i++)
                if (all->cgroups[i].scenario == scenario) {
                        ret->cgroups[ret->n_cgroups] = all->cgroups[i];
                        ret->cgroups[ret->n_cgroups++].scenario = 0;
                }
        return 0;
}

/* The kernel sends this signal on its own account for one reason. */
static const char *hint(const struct kt_worker *w)
{
        return strcmp(w->exit, "signal 9") == 0
                       ? ", as when the memory of its cgroup or of the guest runs out"
                       : "";
}

static enum ktstr_outcome judge_ends_of(struct ktstr_body *b, const struct kt_cgroup *g)
{
        const struct kt_worker *first = NULL;
        char others[80] = "";
        size_t n = 0;

        for (size_t i = 0; i < g->n_workers; i++)
                if (g->workers[i].exit) {
                        first = first ?: &g->workers[i];
                        n++;
                }
        if (!first)
                return KTSTR_PASS;
        if (n > 1)
                snprintf(others, sizeof(others), "; and %zu more of its workers ended by themselves", n - 1);
        return ktstr_error(&b->ctx, "worker %zu of %s (%s): %s%s%s", (size_t)(first - g->workers), g->name,
                           first->work, first->exit, hint(first), others);
}

enum ktstr_outcome judge_ends(struct ktstr_body *b, size_t first_cgroup)
{
        enum ktstr_outcome worst = KTSTR_PASS;

        for (size_t i = first_cgroup; i < b->workload.n_cgroups; i++)
                worst = ktstr_worse(worst, judge_ends_of(b, &b->workload.cgroups[i]));
        return worst;
}

enum ktstr_outcome judge_end(struct ktstr_body *b, unsigned scenario)
{
        static const enum ktstr_outcome outcomes[] = {
                [KT_PASS] = KTSTR_PASS,
                [KT_SKIP] = KTSTR_PASS, /* of a check: nothing was there to look at */
                [KT_INCONCLUSIVE] = KTSTR_INCONCLUSIVE,
                [KT_FAIL] = KTSTR_FAIL,
        };
        struct kt_check_result *results = NULL;
        enum ktstr_outcome worst = KTSTR_PASS;
        struct kt_workload only;
        size_t n = 0;
        int r;

        r = extract(&b->workload, scenario, &only);
        if (r >= 0)
                r = kt_check_all(&only, NULL, NULL, &results, &n);
        free(only.cgroups);
        if (r < 0)
                return ktstr_error(&b->ctx, "there is no memory for the checks");
        for (size_t i = 0; i < n; i++)
                worst = ktstr_worse(worst, outcomes[results[i].outcome]);
        free(results);
        b->checked = ktstr_worse(b->checked, worst);
        return worst;
}
