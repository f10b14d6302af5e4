/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is run when there is time for some only. */

#include <string.h>

#include "../../client/budget.h"
#include "../../client/preset.h"
#include "unit.h"

#define TESTS 5

/* A program's tests on all presets: durations from 1 s to 20 s, some of each kind. */
#define CELLS (TESTS * PRESETS_MAX)

static void fill(struct budget_cell cells[CELLS])
{
        static const char *const tests[TESTS] = {"steady", "split", "crash", "churn", "bench"};
        static const uint64_t durations_ms[TESTS] = {1000, 5000, 20000, 2000, 10000};
        struct budget_cell *c = cells;

        for (unsigned t = 0; t < TESTS; t++)
                for (const struct preset *p = presets; p->name; p++)
                        *c++ = (struct budget_cell){.test = tests[t],
                                                    .scheduler = t == 3 ? NULL : "scx_ktstr",
                                                    .numa_nodes = p->numa_nodes,
                                                    .llcs = p->llcs,
                                                    .cores = p->cores,
                                                    .threads = p->threads,
                                                    .workers = t == 3 ? 16 : 2,
                                                    .duration_ms = durations_ms[t],
                                                    .expect_err = t == 2,
                                                    .payload = t == 4,
                                                    .gauntlet = true};
}

static uint64_t sum_of_chosen(const struct budget_cell *cells, size_t *ret_n)
{
        uint64_t sum = 0;

        *ret_n = 0;
        for (size_t i = 0; i < CELLS; i++)
                if (cells[i].chosen) {
                        sum += cells[i].estimate_ms;
                        ++*ret_n;
                }
        return sum;
}

START_TEST(it_is_never_exceeded_and_more_time_never_covers_less)
{
        struct budget_cell cells[CELLS];
        struct budget b;
        unsigned covered = 0;

        fill(cells);
        for (uint64_t ms = 0; ms < 1500000; ms += 777) {
                size_t n;

                ck_assert(budget_choose(cells, CELLS, ms, ms & 1, &b));
                ck_assert_uint_eq(b.used_ms, sum_of_chosen(cells, &n));
                ck_assert_uint_eq(b.n_chosen, n);
                ck_assert_uint_le(b.used_ms, ms);
        }
        for (uint64_t ms = 0; ms < 300000; ms += 250) {
                ck_assert(budget_choose(cells, CELLS, ms, true, &b));
                ck_assert_uint_ge(b.n_covered, covered);
                covered = b.n_covered;
        }
        ck_assert_uint_eq(covered, b.n_features);
}
END_TEST

START_TEST(with_enough_of_it_all_is_run)
{
        struct budget_cell cells[CELLS];
        struct budget b;
        uint64_t all;
        size_t n;

        fill(cells);
        ck_assert(budget_choose(cells, CELLS, UINT64_MAX, true, &b));
        ck_assert_uint_eq(b.n_chosen, CELLS);
        ck_assert_uint_eq(b.n_covered, b.n_features);
        all = sum_of_chosen(cells, &n);
        ck_assert(budget_choose(cells, CELLS, all, true, &b));
        ck_assert_uint_eq(b.n_chosen, CELLS);
        ck_assert(budget_choose(cells, CELLS, all - 1, true, &b));
        ck_assert_uint_lt(b.n_chosen, CELLS);
        ck_assert_uint_eq(b.n_covered, b.n_features);
}
END_TEST

START_TEST(the_choice_is_always_the_same)
{
        struct budget_cell a[CELLS], b[CELLS];
        struct budget first, second;

        fill(a);
        fill(b);
        ck_assert(budget_choose(a, CELLS, 200000, false, &first));
        /* What was chosen before does not matter. */
        ck_assert(budget_choose(b, CELLS, 50000, true, &second));
        ck_assert(budget_choose(b, CELLS, 200000, false, &second));
        ck_assert_uint_gt(first.n_chosen, 1);
        ck_assert_uint_lt(first.n_chosen, CELLS);
        for (size_t i = 0; i < CELLS; i++)
                ck_assert_int_eq(a[i].chosen, b[i].chosen);
}
END_TEST

START_TEST(of_equals_the_first_and_what_is_new_before_what_is_known)
{
        struct budget_cell cells[] = {
                {.test = "a", .numa_nodes = 1, .llcs = 1, .cores = 2, .threads = 1, .duration_ms = 1000},
                {.test = "a", .numa_nodes = 1, .llcs = 1, .cores = 2, .threads = 1, .duration_ms = 1000},
                {.test = "a", .numa_nodes = 1, .llcs = 2, .cores = 2, .threads = 2, .duration_ms = 1500},
        };
        const uint64_t small = 1000 + budget_guest_ms(2, false), large = 1500 + budget_guest_ms(8, false);
        struct budget b;

        ck_assert(budget_choose(cells, 3, small + large, false, &b));
        ck_assert(cells[0].chosen && !cells[1].chosen && cells[2].chosen);
        ck_assert(budget_choose(cells, 3, 2 * small, false, &b));
        ck_assert(cells[0].chosen && cells[1].chosen && !cells[2].chosen);
        ck_assert(budget_choose(cells, 3, small - 1, false, &b));
        ck_assert_uint_eq(b.n_chosen, 0);
        ck_assert_uint_eq(b.n_covered, 0);
        ck_assert_uint_eq(b.shortest, 0);
        cells[0].duration_ms++;
        ck_assert(budget_choose(cells, 3, small - 1, false, &b));
        ck_assert_uint_eq(b.shortest, 1);
        ck_assert(budget_choose(cells, 0, 1000, false, &b));
        ck_assert_uint_eq(b.n_features, 0);
}
END_TEST

START_TEST(each_kind_of_run_is_a_feature_of_its_own)
{
        const struct budget_cell base = {.test = "a",
                                         .numa_nodes = 1,
                                         .llcs = 1,
                                         .cores = 4,
                                         .threads = 1,
                                         .workers = 2,
                                         .duration_ms = 1000};
        struct budget_cell kinds[14];
        struct budget b;
        size_t n = 0;

        for (n = 0; n < KT_ARRAY_SIZE(kinds); n++)
                kinds[n] = base;
        kinds[1].expect_err = true;
        kinds[2].payload = true;
        kinds[3].host_only = true;
        kinds[4].gauntlet = true;
        kinds[5].threads = 2;
        kinds[6].workers = 5;
        kinds[7].duration_ms = 2001;
        kinds[8].duration_ms = 10001;
        kinds[9].cores = 9;
        kinds[10].numa_nodes = kinds[10].llcs = 2;
        kinds[11].llcs = 3;
        kinds[12].kernel = "6.14";
        kinds[13].scheduler = "scx_simple";
        ck_assert(budget_choose(kinds, n, UINT64_MAX, false, &b));
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < i; j++)
                        ck_assert_msg(kinds[i].features != kinds[j].features, "%zu is as %zu", i, j);
}
END_TEST

START_TEST(what_was_chosen_is_told_in_a_line)
{
        const struct budget b = {.budget_ms = 300000,
                                 .used_ms = 294001,
                                 .n = 1200,
                                 .n_chosen = 42,
                                 .n_features = 38,
                                 .n_covered = 38};
        _cleanup_free_ char *line = budget_line(&b);

        ck_assert_str_eq(line, "ktstr budget: 42/1200 tests, 295/300s used, 38/38 configurations covered");
}
END_TEST

UNIT_MAIN("budget", it_is_never_exceeded_and_more_time_never_covers_less, with_enough_of_it_all_is_run,
          the_choice_is_always_the_same, of_equals_the_first_and_what_is_new_before_what_is_known,
          each_kind_of_run_is_a_feature_of_its_own, what_was_chosen_is_told_in_a_line)
