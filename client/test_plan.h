/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is to be run: tests × kernels, and with the gauntlet × presets, each a cell with a name:
 *
 *   ktstr/TEST[/KERNEL]             on the topology that it declares
 *   gauntlet/TEST/PRESET[/KERNEL]   on one of the presets that its constraints accept
 *
 * A program that cannot say what it declares is a cell of its own, which has a problem, no test, and the
 * program's path for a name.
 *
 * The kernel is part of the name where there are several. A test that runs on the host has neither: it is
 * one cell, and none of the gauntlet. With repetitions "#1", "#2", … is behind the name.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "gauntlet.h"
#include "test_problem.h"
#include "test_program.h"

struct test_cell {
        const struct test_program *program;   /* borrowed, as are the next three */
        struct json_object *test, *scheduler; /* test NULL: it is the program; scheduler NULL: EEVDF */
        const struct preset *preset;          /* NULL: the declared topology */
        struct json_object *kernel; /* of several, a Resolved of io.ktstrd.Kernel; NULL: there is one */
        char *name;
        char *base;     /* the name without kernel and repetition: what --filter selects it by */
        char *topology; /* "1n2l4c1t"; NULL: runs on the host */
        char *skip;     /* why it is not run; NULL: it is */
        struct test_problem *problem; /* why it cannot be; borrowed; NULL: it can */
        bool ignored;                 /* it declares .ignore, and ignored ones were not asked for: not run */
        unsigned repeat;              /* from 1 */
};

struct test_plan {
        struct test_cell *cells;
        size_t n;
        struct test_problem **problems; /* owned; of cells, but for those of programs */
        size_t n_problems;
};

struct test_plan_options {
        const char *const *filters; /* none: all. fnmatch(3) patterns */
        size_t n_filters;
        bool ignored;                /* run those too */
        bool gauntlet;               /* its cells too */
        const struct gauntlet *room; /* what this host can take; NULL: presets are not looked at for that */
        bool force;                  /* presets that are too large are not skipped */
        unsigned repeat;             /* each so often, all of them once before any of them again */
        struct json_object *kernels; /* Resolved of io.ktstrd.Kernel, several; else NULL */
        const char *machine;         /* of the guests, as uname(2) has it */
};

/*
 * Plan it. Programs and kernels are borrowed for the plan's life. -ENOENT with a text when no test is
 * declared, or a filter matches none: then the text has names that are near.
 */
int test_plan_make(const struct test_program *programs, size_t n, const struct test_plan_options *options,
                   struct test_plan *ret, struct kt_error *reterr);
void test_plan_done(struct test_plan *plan);
void test_cell_done(struct test_cell *cell);

/* Is it to be run? */
static inline bool test_cell_runs(const struct test_cell *c)
{
        return !c->ignored && !c->skip && !c->problem;
}

bool test_cell_on_host(const struct test_cell *c);
const char *test_cell_test(const struct test_cell *c); /* the test's name; NULL: it is the program */

/* What its scenario is to last, ms. */
int64_t test_cell_duration_ms(const struct test_cell *c);

/* The longest that all of it may take, ms: what it declares, and as much more as its scenario is to last
 * longer than it declares; else what the daemon gives a job. */
int64_t test_cell_timeout_ms(const struct test_cell *c, int64_t duration_ms);

/* A dimension of the topology that it declares, the scheduler's where it does not: "llcs". */
unsigned test_cell_dimension(const struct test_cell *c, const char *name);

/* How --kernel names its kernel; NULL: there is one. Borrowed. */
const char *test_cell_kernel(const struct test_cell *c);

/* Leave only those that a budget is enough for (budget.h), in seconds. Of what is not run nothing is left
 * out. *ret_line: what came of it, for a person; malloced. -ERANGE where it is enough for none, -ENOMEM. */
int test_plan_choose(struct test_plan *plan, unsigned budget_s, bool emulated, int64_t duration_ms,
                     char **ret_line, struct kt_error *reterr);
