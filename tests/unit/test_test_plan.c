/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests by kernels by presets to cells, and their names. */
#include <errno.h>
#include <string.h>

#include "../../client/test_plan.h"
#include "../../proto/codec.h"
#include "unit.h"

#define KERNELS                                                                                             \
        "[{\"spec\": \"6.14.2\", \"label\": \"kernel_6_14_2\", \"entry\": {\"key\": \"k1\"}},"              \
        " {\"spec\": \"6.14..7\", \"label\": \"kernel_6_15_0\", \"entry\": {\"key\": \"k2\"}}]"

static struct json_object *json(const char *text)
{
        struct json_object *o = NULL;

        ck_assert_int_eq(kt_json_parse(text, strlen(text), &o, NULL), 0);
        return o;
}

static struct test_program program(const char *schedulers, const char *tests)
{
        _cleanup_free_ char *text = kt_format(
                "{\"ktstr_list\": 1, \"version\": \"1\", \"errors\": [], \"schedulers\": %s, \"tests\": %s}",
                schedulers, tests);
        struct test_program p = {.path = strdup("./my_tests"), .folder = strdup("/"), .listing = json(text)};

        ck_assert_int_eq(test_program_check(p.listing, NULL), 0);
        return p;
}

struct made {
        struct test_program program;
        struct test_plan plan;
};

static void made_done(struct made *m)
{
        test_plan_done(&m->plan);
        test_program_done(&m->program);
}
#define _made_ _cleanup_(made_done)

static void make(struct made *m, const char *schedulers, const char *tests, struct test_plan_options o)
{
        o.machine = "x86_64";
        o.repeat = o.repeat ? o.repeat : 1;
        m->program = program(schedulers, tests);
        ck_assert_int_eq(test_plan_make(&m->program, 1, &o, &m->plan, NULL), 0);
}

START_TEST(a_dimension_that_is_unset_is_the_schedulers)
{
        _made_ struct made m = {};

        make(&m, "[{\"ident\": \"s\", \"name\": \"s\", \"topology\": {\"llcs\": 4, \"threads\": 2}}]",
             "[{\"name\": \"a\", \"scheduler\": \"s\", \"topology\": {\"cores\": 3, \"threads\": 1}}, "
             "{\"name\": \"b\"}]",
             (struct test_plan_options){});
        ck_assert_uint_eq(m.plan.n, 2);
        ck_assert_str_eq(m.plan.cells[0].topology, "1n4l3c1t");
        ck_assert_str_eq(m.plan.cells[1].topology, "1n1l2c1t");
}
END_TEST

START_TEST(fractions_of_seconds_are_milliseconds)
{
        _made_ struct made m = {};

        make(&m, "[]",
             "[{\"name\": \"a\", \"duration_s\": 0.0015}, {\"name\": \"b\"}, {\"name\": \"c\", "
             "\"duration_s\": 86400}]",
             (struct test_plan_options){});
        ck_assert_int_eq(test_cell_duration_ms(&m.plan.cells[0]), 2);
        ck_assert_int_eq(test_cell_duration_ms(&m.plan.cells[1]), 5000);
        ck_assert_int_eq(test_cell_duration_ms(&m.plan.cells[2]), 86400000);
}
END_TEST

START_TEST(a_kernel_is_named_as_it_was_or_by_its_key)
{
        _cleanup_json_ struct json_object *kernels = json(KERNELS);
        _made_ struct made m = {};

        make(&m, "[]", "[{\"name\": \"a\"}, {\"name\": \"h\", \"host_only\": true}]",
             (struct test_plan_options){.kernels = kernels});
        ck_assert_uint_eq(m.plan.n, 3);
        ck_assert_str_eq(m.plan.cells[0].name, "ktstr/a/kernel_6_14_2");
        ck_assert_str_eq(test_cell_kernel(&m.plan.cells[0]), "6.14.2");
        ck_assert_str_eq(m.plan.cells[1].name, "ktstr/a/kernel_6_15_0");
        /* What it was named by would be all of them again. */
        ck_assert_str_eq(test_cell_kernel(&m.plan.cells[1]), "k2");
        ck_assert_str_eq(m.plan.cells[2].name, "ktstr/h");
        ck_assert_ptr_null(m.plan.cells[2].topology);
}
END_TEST

START_TEST(what_is_not_run_is_not_repeated)
{
        _made_ struct made m = {};

        make(&m, "[]", "[{\"name\": \"a\"}, {\"name\": \"b\", \"ignore\": true}]",
             (struct test_plan_options){.repeat = 3});
        ck_assert_uint_eq(m.plan.n, 4);
        ck_assert_str_eq(m.plan.cells[0].name, "ktstr/a#1");
        ck_assert_str_eq(m.plan.cells[1].name, "ktstr/b");
        ck_assert(m.plan.cells[1].ignored);
        ck_assert_str_eq(m.plan.cells[3].name, "ktstr/a#3");
        ck_assert_str_eq(m.plan.cells[3].base, "ktstr/a");
}
END_TEST

START_TEST(a_budget_leaves_out_what_is_run_only)
{
        _cleanup_free_ char *line = NULL;
        _made_ struct made m = {};

        make(&m, "[]",
             "[{\"name\": \"a\", \"duration_s\": 1000}, {\"name\": \"b\", \"ignore\": true}, {\"name\": "
             "\"c\"}]",
             (struct test_plan_options){});
        ck_assert_int_eq(test_plan_choose(&m.plan, 20, false, 0, &line, NULL), 0);
        ck_assert_uint_eq(m.plan.n, 2);
        ck_assert_str_eq(m.plan.cells[0].name, "ktstr/b");
        ck_assert_str_eq(m.plan.cells[1].name, "ktstr/c");
        ck_assert_int_eq(strncmp(line, "ktstr budget: 1/2 tests, ", 25), 0);
}
END_TEST

START_TEST(a_filter_that_matches_nothing_is_refused)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *const filters[] = {"ktstr/basic_[x]"};
        struct test_plan_options o = {.filters = filters, .n_filters = 1, .repeat = 1, .machine = "x86_64"};
        _made_ struct made m = {.program = program("[]", "[{\"name\": \"basic_steady\"}]")};

        ck_assert_int_eq(test_plan_make(&m.program, 1, &o, &m.plan, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "'ktstr/basic_[x]' matches no test"));
        ck_assert_uint_eq(m.plan.n, 0);
}
END_TEST

UNIT_MAIN("test_plan", a_dimension_that_is_unset_is_the_schedulers, fractions_of_seconds_are_milliseconds,
          a_kernel_is_named_as_it_was_or_by_its_key, what_is_not_run_is_not_repeated,
          a_budget_leaves_out_what_is_run_only, a_filter_that_matches_nothing_is_refused)
