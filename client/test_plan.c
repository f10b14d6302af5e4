/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_plan.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/distance.h"
#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "constraints.h"
#include "kernel_choice.h"

#define DEFAULT_DURATION_MS 5000
/* What a job has beside its workload: the daemon's default. */
#define DEFAULT_TIMEOUT_MS 120000
#define NEAR_NAMES_MAX 5

struct making {
        const struct test_plan_options *options;
        struct test_plan *plan;
        size_t room; /* cells that there is memory for */
};

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

void test_cell_done(struct test_cell *c)
{
        free(c->name);
        free(c->base);
        free(c->topology);
        free(c->skip);
        *c = (struct test_cell){};
}

void test_plan_done(struct test_plan *plan)
{
        for (size_t i = 0; i < plan->n; i++)
                test_cell_done(&plan->cells[i]);
        free(plan->cells);
        for (size_t i = 0; i < plan->n_problems; i++)
                test_problem_free(plan->problems[i]);
        free(plan->problems);
        *plan = (struct test_plan){};
}

/* --- what a cell is --- */

const char *test_cell_test(const struct test_cell *c)
{
        return kt_json_str(c->test, "name");
}

bool test_cell_on_host(const struct test_cell *c)
{
        return kt_json_bool(c->test, "host_only", false);
}

int64_t test_cell_duration_ms(const struct test_cell *c)
{
        const double s = kt_json_double(c->test, "duration_s", 0);

        return s > 0 ? (int64_t)(s * 1000 + 0.5) : DEFAULT_DURATION_MS;
}

int64_t test_cell_timeout_ms(const struct test_cell *c, int64_t duration_ms)
{
        const int64_t timeout = (int64_t)(kt_json_double(c->test, "timeout_s", 0) * 1000 + 0.5);
        const int64_t longer = duration_ms - test_cell_duration_ms(c);

        if (timeout <= 0)
                return DEFAULT_TIMEOUT_MS + duration_ms;
        return timeout + (longer > 0 ? longer : 0);
}

unsigned test_cell_dimension(const struct test_cell *c, const char *name)
{
        const int64_t dflt = strcmp(name, "cores") == 0 ? 2 : 1;
        int64_t n = kt_json_int(kt_json_get(c->test, "topology"), name, 0);

        if (n <= 0)
                n = kt_json_int(kt_json_get(c->scheduler, "topology"), name, 0);
        return (unsigned)(n > 0 ? n : dflt);
}

const char *test_cell_kernel(const struct test_cell *c)
{
        const char *spec = c->kernel ? kt_json_str(c->kernel, "spec") : NULL;

        if (!c->kernel)
                return NULL;
        /* A range is how several were named. */
        return spec && !strstr(spec, "..") ? spec : kernel_choice_name(c->kernel);
}

/* --- making them --- */

/* A copy, so that the one before may move. */
static int append(struct making *m, struct test_cell cell)
{
        if (m->plan->n == m->room) {
                const size_t room = m->room ? m->room * 2 : 64;
                struct test_cell *grown = realloc(m->plan->cells, room * sizeof(*grown));

                if (!grown) {
                        test_cell_done(&cell);
                        return -ENOMEM;
                }
                m->plan->cells = grown;
                m->room = room;
        }
        m->plan->cells[m->plan->n++] = cell;
        return cell.name && cell.base && (cell.topology || !cell.test || test_cell_on_host(&cell)) ? 0
                                                                                                   : -ENOMEM;
}

static char *with_kernel(const char *base, struct json_object *kernel)
{
        return kernel ? kt_format("%s/%s", base, kt_json_str(kernel, "label")) : strdup(base);
}

static char *declared_topology(const struct test_cell *c)
{
        return kt_format("%un%ul%uc%ut", test_cell_dimension(c, "numa_nodes"),
                         test_cell_dimension(c, "llcs"), test_cell_dimension(c, "cores"),
                         test_cell_dimension(c, "threads"));
}

static int add_declared(struct making *m, struct test_cell c, struct json_object *kernel)
{
        c.kernel = kernel;
        c.base = kt_format("ktstr/%s", test_cell_test(&c));
        c.name = c.base ? with_kernel(c.base, kernel) : NULL;
        c.topology = test_cell_on_host(&c) ? NULL : declared_topology(&c);
        return append(m, c);
}

static int add_preset(struct making *m, struct test_cell c, const struct preset *p,
                      struct json_object *kernel)
{
        const int64_t memory = kt_json_int(c.test, "memory_mib", 0);

        c.kernel = kernel;
        c.preset = p;
        c.base = gauntlet_name(test_cell_test(&c), p->name, NULL);
        c.name = gauntlet_name(test_cell_test(&c), p->name, kernel ? kt_json_str(kernel, "label") : NULL);
        c.topology = strdup(p->topology);
        if (m->options->room && !m->options->force)
                c.skip = gauntlet_why_not(m->options->room, p, memory > 0 ? (unsigned)memory : 0);
        return append(m, c);
}

static int add_gauntlet(struct making *m, const struct test_cell *c, struct json_object *kernel)
{
        struct constraints constraints = constraints_default;
        int r = 0;

        constraints_merge(&constraints, kt_json_get(c->scheduler, "constraints"));
        constraints_merge(&constraints, kt_json_get(c->test, "constraints"));
        for (const struct preset *p = presets; r >= 0 && p->name; p++)
                if (preset_on(p, m->options->machine) && constraints_accept(&constraints, p))
                        r = add_preset(m, *c, p, kernel);
        return r;
}

static int add_test(struct making *m, const struct test_program *program, struct json_object *test)
{
        struct json_object *kernels = m->options->kernels;
        const struct test_cell c = {.program = program,
                                    .test = test,
                                    .scheduler =
                                            test_program_scheduler(program, kt_json_str(test, "scheduler")),
                                    .ignored = kt_json_bool(test, "ignore", false) && !m->options->ignored,
                                    .repeat = 1};
        const size_t n = kernels && !test_cell_on_host(&c) ? json_object_array_length(kernels) : 0;
        int r = n == 0 ? add_declared(m, c, NULL) : 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_declared(m, c, json_object_array_get_idx(kernels, i));
        if (!m->options->gauntlet || test_cell_on_host(&c))
                return r;
        if (n == 0 && r >= 0)
                r = add_gauntlet(m, &c, NULL);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_gauntlet(m, &c, json_object_array_get_idx(kernels, i));
        return r;
}

/* All that it declares, or that it cannot say. */
static int add_program(struct making *m, const struct test_program *program)
{
        struct json_object *test;
        int r = 0;

        if (program->problem)
                return append(m, (struct test_cell){.program = program,
                                                    .name = strdup(program->path),
                                                    .base = strdup(program->path),
                                                    .problem = program->problem,
                                                    .repeat = 1});
        for (size_t k = 0; r >= 0 && (test = test_program_test(program, k)); k++)
                r = add_test(m, program, test);
        return r;
}

/* --- filters --- */

static const char *without_prefix(const char *name)
{
        return strchr(name, '/') + 1;
}

/* What a program would declare that cannot say it may be what is meant. */
static bool matches(const struct test_cell *c, const char *filter)
{
        if (!c->test)
                return true;
        const char *const names[] = {c->name, c->base, without_prefix(c->name), without_prefix(c->base),
                                     test_cell_test(c)};

        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++)
                if (fnmatch(filter, names[i], 0) == 0)
                        return true;
        return false;
}

/* Is it within the number of slips that the filter's length allows? One that is part of the name is nearest.
 */
static bool is_near(const struct test_cell *c, const char *filter)
{
        const char *test = test_cell_test(c),
                   *word = strrchr(filter, '/') ? strrchr(filter, '/') + 1 : filter;
        const unsigned slips = 1 + (unsigned)strlen(word) / 4;

        return *word &&
               (strstr(test, word) || strstr(c->base, filter) || kt_edit_distance(test, word) <= slips ||
                kt_edit_distance(c->base, filter) <= slips);
}

/* Each once, though it is many cells. Malloced; "" where there is none. */
static char *near_names(const struct test_plan *plan, const char *filter)
{
        const char *told[NEAR_NAMES_MAX];
        size_t n = 0, size;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        for (size_t i = 0; f && i < plan->n && n < NEAR_NAMES_MAX; i++) {
                const char *base = plan->cells[i].base;
                bool again = false;

                for (size_t k = 0; k < n; k++)
                        again = again || strcmp(told[k], base) == 0;
                if (again || !is_near(&plan->cells[i], filter))
                        continue;
                fprintf(f, "%s%s", n ? ", " : "; near it: ", base);
                told[n++] = base;
        }
        if (f)
                fclose(f);
        return text;
}

static int check_filter(const struct making *m, const char *filter, struct kt_error *reterr)
{
        _cleanup_free_ char *names = NULL;

        for (size_t i = 0; i < m->plan->n; i++)
                if (matches(&m->plan->cells[i], filter))
                        return 0;
        names = near_names(m->plan, filter);
        return kt_error_set(reterr, -ENOENT, KT_E_INVALID_PARAMETER, "--filter '%s' matches no test%s; %s",
                            filter, names ? names : "",
                            strncmp(filter, "gauntlet/", 9) == 0 && !m->options->gauntlet
                                    ? "gauntlet/… are there with --gauntlet"
                                    : "--list shows them all");
}

static int apply_filters(const struct making *m, struct kt_error *reterr)
{
        size_t kept = 0;
        int r = 0;

        for (size_t k = 0; r >= 0 && k < m->options->n_filters; k++)
                r = check_filter(m, m->options->filters[k], reterr);
        if (r < 0 || m->options->n_filters == 0)
                return r;
        for (size_t i = 0; i < m->plan->n; i++) {
                bool keep = false;

                for (size_t k = 0; k < m->options->n_filters; k++)
                        keep = keep || matches(&m->plan->cells[i], m->options->filters[k]);
                if (keep)
                        m->plan->cells[kept++] = m->plan->cells[i];
                else
                        test_cell_done(&m->plan->cells[i]);
        }
        m->plan->n = kept;
        return 0;
}

/* --- repetitions --- */

static int rename_repeat(struct test_cell *c, unsigned k)
{
        char *name = kt_format("%s#%u", c->name, k);

        if (!name)
                return -ENOMEM;
        free(c->name);
        c->name = name;
        c->repeat = k;
        return 0;
}

static int repeat_cell(struct making *m, size_t i, unsigned k)
{
        struct test_cell c = m->plan->cells[i];

        c.name = strdup(c.name);
        c.base = strdup(c.base);
        c.topology = c.topology ? strdup(c.topology) : NULL;
        if (!c.name || rename_repeat(&c, k) < 0) {
                test_cell_done(&c);
                return -ENOMEM;
        }
        return append(m, c);
}

/* What is not run is there once. */
static int add_repeats(struct making *m)
{
        const size_t n = m->plan->n;
        int r = 0;

        for (unsigned k = 2; k <= m->options->repeat; k++)
                for (size_t i = 0; r >= 0 && i < n; i++)
                        if (test_cell_runs(&m->plan->cells[i]))
                                r = repeat_cell(m, i, k);
        for (size_t i = 0; r >= 0 && m->options->repeat > 1 && i < n; i++)
                if (test_cell_runs(&m->plan->cells[i]))
                        r = rename_repeat(&m->plan->cells[i], 1);
        return r;
}

int test_plan_make(const struct test_program *programs, size_t n, const struct test_plan_options *options,
                   struct test_plan *ret, struct kt_error *reterr)
{
        struct making m = {.options = options, .plan = ret};
        int r = 0;

        *ret = (struct test_plan){};
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_program(&m, &programs[i]);
        if (r < 0)
                oom(reterr);
        else if (ret->n == 0)
                r = kt_error_set(reterr, -ENOENT, KT_E_INVALID_PARAMETER,
                                 "%s declares no tests; KTSTR_TEST() declares one",
                                 n == 1 ? programs[0].path : "none of the programs");
        else
                r = apply_filters(&m, reterr);
        if (r >= 0) {
                r = add_repeats(&m);
                if (r < 0)
                        oom(reterr);
        }
        if (r < 0)
                test_plan_done(ret);
        return r;
}
