/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_missing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "exit_status.h"

/* Of a problem's tests so many are named. */
#define NAMED_MAX 8U

/* A test that was looked at. */
struct looked {
        struct json_object *test; /* borrowed */
        struct test_problem *problem;
};

struct finding {
        struct test_plan *plan;
        struct test_overrides overrides;
        struct looked *looked;
        size_t n;
};

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* All that a request would bring, and nothing is sent. */
static int rehearse(const struct finding *f, const struct test_cell *c, struct kt_error *reterr)
{
        struct json_object *params = NULL;
        struct bundle bundle;
        int r = bundle_init(&bundle, reterr);

        if (r >= 0)
                r = test_params_make(c, &f->overrides, &bundle, &params, reterr);
        json_object_put(params);
        bundle_done(&bundle);
        return r;
}

/* The one that others have as well, else a new one. NULL: out of memory. */
static struct test_problem *problem_of(struct test_plan *plan, const struct kt_error *err)
{
        struct test_problem **grown;

        for (size_t i = 0; i < plan->n_problems; i++)
                if (strcmp(plan->problems[i]->text, kt_error_text(err)) == 0)
                        return plan->problems[i];
        grown = realloc(plan->problems, (plan->n_problems + 1) * sizeof(*grown));
        if (!grown)
                return NULL;
        plan->problems = grown;
        grown[plan->n_problems] = test_problem_new(
                kt_error_text(err), NULL, exit_status_of_error(err->name ? err->name : KT_E_INTERNAL));
        return grown[plan->n_problems] ? grown[plan->n_problems++] : NULL;
}

static int look_at(struct finding *f, const struct test_cell *c, struct looked *ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = rehearse(f, c, &err);

        *ret = (struct looked){.test = c->test};
        if (r == -ENOMEM)
                return oom(reterr);
        if (r < 0)
                ret->problem = problem_of(f->plan, &err);
        return r < 0 && !ret->problem ? oom(reterr) : 0;
}

/* Cells of one test are beside one another, and are again with each repetition. */
static struct looked *find(const struct finding *f, const struct test_cell *c)
{
        for (size_t i = f->n; i-- > 0;)
                if (f->looked[i].test == c->test)
                        return &f->looked[i];
        return NULL;
}

static int look_at_all(struct finding *f, struct kt_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < f->plan->n; i++) {
                struct test_cell *c = &f->plan->cells[i];
                struct looked *l = test_cell_runs(c) && !test_cell_on_host(c) ? find(f, c) : NULL;

                if (!test_cell_runs(c) || test_cell_on_host(c))
                        continue;
                if (!l) {
                        l = &f->looked[f->n++];
                        r = look_at(f, c, l, reterr);
                }
                c->problem = l->problem;
        }
        return r;
}

/* "a (my.c:12), b (my.c:20) and 3 more" */
static int name_tests(const struct finding *f, struct test_problem *p)
{
        size_t size, n = 0;
        FILE *out = open_memstream(&p->needed_by, &size);

        for (size_t i = 0; out && i < f->n; i++) {
                struct json_object *t = f->looked[i].test;

                if (f->looked[i].problem != p || ++n > NAMED_MAX)
                        continue;
                fprintf(out, "%s%s", n > 1 ? ", " : "", kt_json_str(t, "name"));
                if (kt_json_str(t, "file"))
                        fprintf(out, " (%s:%lld)", kt_json_str(t, "file"),
                                (long long)kt_json_int(t, "line", 0));
        }
        if (out && n > NAMED_MAX)
                fprintf(out, " and %zu more", n - NAMED_MAX);
        return out && fclose(out) == 0 ? 0 : -ENOMEM;
}

int test_missing_find(struct test_plan *plan, const struct test_overrides *overrides,
                      struct kt_error *reterr)
{
        struct finding f = {
                .plan = plan, .overrides = *overrides, .looked = calloc(plan->n + 1, sizeof(struct looked))};
        int r = f.looked ? 0 : oom(reterr);

        f.overrides.tell_odd_files = true;
        if (r >= 0)
                r = look_at_all(&f, reterr);
        for (size_t i = 0; r >= 0 && i < plan->n_problems; i++)
                if (name_tests(&f, plan->problems[i]) < 0)
                        r = oom(reterr);
        free(f.looked);
        return r;
}
