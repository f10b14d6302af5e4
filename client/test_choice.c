/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of a plan the cells that a budget is enough for. */
#include <errno.h>
#include <stdlib.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "budget.h"
#include "test_plan.h"

#define DEFAULT_WORKERS 2

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static struct budget_cell budget_cell_of(const struct test_cell *c, int64_t duration_ms)
{
        const int64_t workers = kt_json_int(c->test, "workers_per_cgroup", 0);
        const struct preset *p = c->preset;

        return (struct budget_cell){
                .test = test_cell_test(c),
                .scheduler = c->scheduler ? kt_json_str(c->scheduler, "name") : NULL,
                .kernel = c->kernel ? kt_json_str(c->kernel, "label") : NULL,
                .numa_nodes = p ? p->numa_nodes : test_cell_dimension(c, "numa_nodes"),
                .llcs = p ? p->llcs : test_cell_dimension(c, "llcs"),
                .cores = p ? p->cores : test_cell_dimension(c, "cores"),
                .threads = p ? p->threads : test_cell_dimension(c, "threads"),
                .workers = workers > 0 ? (unsigned)workers : DEFAULT_WORKERS,
                .duration_ms = (uint64_t)(duration_ms > 0 ? duration_ms : test_cell_duration_ms(c)),
                .expect_err = kt_json_bool(c->test, "expect_err", false),
                .payload = kt_json_get(c->test, "payloads") != NULL,
                .host_only = test_cell_on_host(c),
                .gauntlet = p != NULL};
}

static const struct test_cell *nth_that_runs(const struct test_plan *plan, size_t n)
{
        const struct test_cell *c = plan->cells;

        while (!test_cell_runs(c) || n-- > 0)
                c++;
        return c;
}

/* A run of nothing would pass. */
static int check_budget(const struct test_plan *plan, const struct budget_cell *cells,
                        const struct budget *b, struct kt_error *reterr)
{
        const unsigned long long budget_s = b->budget_ms / 1000;

        if (b->n == 0 || b->n_chosen > 0)
                return 0;
        return kt_error_set(reterr, -ERANGE, KT_E_INVALID_PARAMETER,
                            "--budget: no test fits in %llu s; the shortest (%s) needs about %llu s",
                            budget_s, nth_that_runs(plan, b->shortest)->name,
                            (unsigned long long)(cells[b->shortest].estimate_ms + 999) / 1000);
}

int test_plan_choose(struct test_plan *plan, unsigned budget_s, bool emulated, int64_t duration_ms,
                     char **ret_line, struct kt_error *reterr)
{
        struct budget_cell *cells = calloc(plan->n + 1, sizeof(*cells));
        struct budget budget;
        size_t n = 0, kept = 0, at = 0;
        bool chosen;
        int r;

        *ret_line = NULL;
        for (size_t i = 0; cells && i < plan->n; i++)
                if (test_cell_runs(&plan->cells[i]))
                        cells[n++] = budget_cell_of(&plan->cells[i], duration_ms);
        chosen = cells && budget_choose(cells, n, (uint64_t)budget_s * 1000, emulated, &budget);
        r = chosen ? check_budget(plan, cells, &budget, reterr) : oom(reterr);
        if (r < 0) {
                free(cells);
                return r;
        }
        for (size_t i = 0; i < plan->n; i++) {
                if (!test_cell_runs(&plan->cells[i]) || cells[at++].chosen)
                        plan->cells[kept++] = plan->cells[i];
                else
                        test_cell_done(&plan->cells[i]);
        }
        free(cells);
        plan->n = kept;
        *ret_line = budget_line(&budget);
        return *ret_line ? 0 : oom(reterr);
}
