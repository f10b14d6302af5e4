/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the pool decides by: demand and how it fades, who gets how many guests, how long a failure is left
 * alone. */

#include <float.h>
#include <limits.h>

#include "../../daemon/pool_policy.h"
#include "unit.h"

#define HALF 1000U

static void use(struct pool_demand *d, uint64_t at_ms, unsigned times)
{
        for (unsigned i = 0; i < times; i++) {
                pool_demand_begin(d, at_ms, HALF);
                pool_demand_end(d, at_ms, HALF);
        }
}

/* So many at a time, for no time. */
static void use_at_once(struct pool_demand *d, uint64_t at_ms, unsigned jobs)
{
        for (unsigned i = 0; i < jobs; i++)
                pool_demand_begin(d, at_ms, HALF);
        for (unsigned i = 0; i < jobs; i++)
                pool_demand_end(d, at_ms, HALF);
}

/* --- demand --- */

START_TEST(what_was_never_used_is_not_in_demand)
{
        const struct pool_demand d = {0};

        ck_assert_double_eq_tol(pool_demand_at(&d, 5000, HALF), 0, DBL_EPSILON);
        ck_assert_uint_eq(pool_demand_want(&d, 2, 5000, HALF), 0);
        ck_assert_uint_eq(pool_demand_lasts(&d, 5000, HALF), 0);
}
END_TEST

START_TEST(a_use_weighs_one_and_is_halved_once_per_half_life)
{
        struct pool_demand d = {0};

        use(&d, 10000, 1);
        ck_assert_double_eq_tol(pool_demand_at(&d, 10000, HALF), 1, 1e-9);
        ck_assert_double_eq_tol(pool_demand_at(&d, 10000 + HALF, HALF), 0.5, 1e-9);
        ck_assert_double_eq_tol(pool_demand_at(&d, 10000 + 3 * HALF, HALF), 0.125, 1e-9);
}
END_TEST

START_TEST(uses_add_up_from_what_is_left_of_earlier_ones)
{
        struct pool_demand d = {0};

        use(&d, 0, 4);
        use(&d, HALF, 1);
        ck_assert_double_eq_tol(pool_demand_at(&d, HALF, HALF), 3, 1e-9);
}
END_TEST

START_TEST(while_a_job_runs_its_shape_stays_in_demand)
{
        struct pool_demand d = {0};

        pool_demand_begin(&d, 0, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 100 * HALF, HALF), 1, 1e-9);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 100 * HALF, HALF), 1);
}
END_TEST

START_TEST(demand_fades_from_a_jobs_end_not_from_its_beginning)
{
        struct pool_demand d = {0};

        pool_demand_begin(&d, 0, HALF);
        pool_demand_end(&d, 100 * HALF, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 100 * HALF, HALF), 1, 1e-9);
        ck_assert_double_eq_tol(pool_demand_at(&d, 101 * HALF, HALF), 0.5, 1e-9);
}
END_TEST

START_TEST(an_end_without_a_beginning_counts_no_job_below_none)
{
        struct pool_demand d = {0};

        pool_demand_end(&d, 0, HALF);
        ck_assert_uint_eq(d.running, 0);
        pool_demand_begin(&d, 0, HALF);
        ck_assert_uint_eq(d.running, 1);
}
END_TEST

START_TEST(priming_counts_as_one_use_however_often)
{
        struct pool_demand d = {0};

        pool_demand_prime(&d, 0, HALF);
        pool_demand_prime(&d, 0, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 0, HALF), 1, 1e-9);
        pool_demand_prime(&d, 2 * HALF, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 2 * HALF, HALF), 1, 1e-9);
}
END_TEST

START_TEST(priming_takes_nothing_from_what_is_in_more_demand)
{
        struct pool_demand d = {0};

        use(&d, 0, 5);
        pool_demand_prime(&d, 0, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 0, HALF), 5, 1e-9);
}
END_TEST

START_TEST(what_is_forgotten_counts_again_with_its_next_job)
{
        struct pool_demand d = {0};

        use_at_once(&d, 0, 3);
        pool_demand_begin(&d, 0, HALF);
        pool_demand_begin(&d, 0, HALF);
        pool_demand_forget(&d);
        ck_assert_double_eq_tol(pool_demand_at(&d, 0, HALF), 0, DBL_EPSILON);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 0, HALF), 0);
        ck_assert_uint_eq(pool_demand_running(&d), 2);
        pool_demand_end(&d, 0, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 0, HALF), 0, DBL_EPSILON);
        pool_demand_begin(&d, 0, HALF);
        ck_assert_double_eq_tol(pool_demand_at(&d, 0, HALF), 1, 1e-9);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 0, HALF), 1);
        pool_demand_end(&d, 0, HALF);
        pool_demand_end(&d, 0, HALF);
        ck_assert_uint_eq(pool_demand_running(&d), 0);
        ck_assert_double_eq_tol(pool_demand_at(&d, HALF, HALF), 0.5, 1e-9);
}
END_TEST

START_TEST(a_clock_that_steps_back_changes_nothing)
{
        struct pool_demand d = {0};

        use(&d, 5000, 2);
        ck_assert_double_eq_tol(pool_demand_at(&d, 1000, HALF), 2, 1e-9);
}
END_TEST

/* --- how long it lasts --- */

static void expect_exact(const struct pool_demand *d, uint64_t now, uint64_t half_life)
{
        const uint64_t lasts = pool_demand_lasts(d, now, half_life);

        if (lasts == 0) {
                ck_assert(pool_demand_at(d, now, half_life) < POOL_DEMAND_MIN);
                ck_assert_uint_eq(pool_demand_want(d, 1, now, half_life), 0);
                return;
        }
        ck_assert_msg(pool_demand_at(d, now + lasts - 1, half_life) >= POOL_DEMAND_MIN,
                      "gone before %llu ms are over, half-life %llu, %g uses", (unsigned long long)lasts,
                      (unsigned long long)half_life, d->uses);
        ck_assert_uint_gt(pool_demand_want(d, 1, now + lasts - 1, half_life), 0);
        ck_assert_msg(pool_demand_at(d, now + lasts, half_life) < POOL_DEMAND_MIN,
                      "still there after %llu ms, half-life %llu, %g uses", (unsigned long long)lasts,
                      (unsigned long long)half_life, d->uses);
        ck_assert_uint_eq(pool_demand_want(d, 1, now + lasts, half_life), 0);
        ck_assert_uint_eq(pool_demand_lasts(d, now + lasts, half_life), 0);
}

START_TEST(demand_lasts_exactly_as_long_as_is_said)
{
        static const uint64_t half_lives[] = {1, 2, 7, 50, 999, 1000, 600000, 365ULL * 24 * 3600 * 1000};
        static const double uses[] = {0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1.6, 2, 3, 10, 51.2, 12345};

        for (size_t i = 0; i < KT_ARRAY_SIZE(half_lives); i++)
                for (size_t j = 0; j < KT_ARRAY_SIZE(uses); j++) {
                        const struct pool_demand d = {.uses = uses[j], .peak = 1, .at_ms = 77};

                        for (uint64_t step = 0; step < 6; step++)
                                expect_exact(&d, 77 + step * half_lives[i], half_lives[i]);
                }
}
END_TEST

START_TEST(what_was_used_once_is_let_go_after_four_and_a_third_half_lives)
{
        struct pool_demand d = {0};

        use(&d, 0, 1);
        ck_assert_uint_eq(pool_demand_lasts(&d, 0, HALF), 4322);
}
END_TEST

/* --- how many are wanted --- */

START_TEST(as_many_as_configured_are_wanted_for_one_job_after_another)
{
        struct pool_demand d = {0};

        use(&d, 0, 20);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 0, HALF), 1);
        ck_assert_uint_eq(pool_demand_want(&d, 3, 0, HALF), 3);
}
END_TEST

START_TEST(as_many_as_ran_at_once_are_wanted_for_a_while)
{
        struct pool_demand d = {0};

        use_at_once(&d, 0, 2);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 0, HALF), 2);
        ck_assert_uint_eq(pool_demand_want(&d, 1, HALF / 5, HALF), 2);
        ck_assert_uint_eq(pool_demand_want(&d, 1, HALF / 4, HALF), 1);
        ck_assert_uint_eq(pool_demand_want(&d, 1, HALF, HALF), 1);
}
END_TEST

START_TEST(what_ran_at_once_does_not_fade_while_it_runs)
{
        struct pool_demand d = {0};

        for (unsigned i = 0; i < 4; i++)
                pool_demand_begin(&d, 0, HALF);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 50 * HALF, HALF), 4);
        pool_demand_end(&d, 50 * HALF, HALF);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 50 * HALF, HALF), 4);
        ck_assert_uint_eq(pool_demand_want(&d, 1, 60 * HALF, HALF), 3);
}
END_TEST

START_TEST(none_are_wanted_when_none_are_configured)
{
        struct pool_demand d = {0};

        use_at_once(&d, 0, 5);
        ck_assert_uint_eq(pool_demand_want(&d, 0, 0, HALF), 0);
}
END_TEST

/* --- sharing out --- */

#define MANY UINT64_MAX

static void expect_granted(struct pool_wish *wishes, size_t n, unsigned max, uint64_t memory,
                           const unsigned *granted)
{
        for (size_t i = 0; i < n; i++)
                wishes[i].granted = 99; /* of an earlier time */
        pool_allot(wishes, n, max, memory);
        for (size_t i = 0; i < n; i++)
                ck_assert_msg(wishes[i].granted == granted[i], "wish %zu got %u, not %u", i,
                              wishes[i].granted, granted[i]);
}

START_TEST(all_get_what_they_want_when_there_is_enough)
{
        struct pool_wish w[] = {{1, 2, 10, 0}, {5, 0, 10, 0}, {3, 4, 10, 0}};

        expect_granted(w, 3, 6, 60, (unsigned[]){2, 0, 4});
}
END_TEST

START_TEST(the_first_of_each_comes_before_the_second_of_any)
{
        struct pool_wish w[] = {{9, 4, 10, 0}, {1, 1, 10, 0}, {5, 2, 10, 0}};

        expect_granted(w, 3, 4, MANY, (unsigned[]){2, 1, 1});
        expect_granted(w, 3, 5, MANY, (unsigned[]){2, 1, 2});
}
END_TEST

START_TEST(within_a_round_those_in_more_demand_come_first)
{
        struct pool_wish w[] = {{1, 2, 10, 0}, {3, 2, 10, 0}, {2, 2, 10, 0}};

        expect_granted(w, 3, 1, MANY, (unsigned[]){0, 1, 0});
        expect_granted(w, 3, 2, MANY, (unsigned[]){0, 1, 1});
        expect_granted(w, 3, 4, MANY, (unsigned[]){1, 2, 1});
}
END_TEST

START_TEST(of_two_in_equal_demand_the_first_is_first)
{
        struct pool_wish w[] = {{2, 1, 10, 0}, {2, 1, 10, 0}};

        expect_granted(w, 2, 1, MANY, (unsigned[]){1, 0});
}
END_TEST

START_TEST(memory_ends_it_too)
{
        struct pool_wish w[] = {{2, 5, 100, 0}, {1, 5, 100, 0}};

        expect_granted(w, 2, 100, 399, (unsigned[]){2, 1});
        expect_granted(w, 2, 100, 99, (unsigned[]){0, 0});
        expect_granted(w, 2, 100, 0, (unsigned[]){0, 0});
}
END_TEST

START_TEST(who_is_too_large_leaves_the_room_to_others)
{
        struct pool_wish w[] = {{9, 3, 300, 0}, {1, 3, 100, 0}};

        expect_granted(w, 2, 100, 250, (unsigned[]){0, 2});
        expect_granted(w, 2, 100, 450, (unsigned[]){1, 1});
}
END_TEST

START_TEST(the_order_of_wishes_is_kept)
{
        struct pool_wish w[] = {{1, 1, 11, 0}, {3, 1, 12, 0}, {2, 1, 13, 0}};

        pool_allot(w, 3, 3, MANY);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_uint_eq(w[i].each_bytes, 11 + i);
}
END_TEST

START_TEST(nothing_is_shared_out_of_nothing)
{
        struct pool_wish w[] = {{1, 5, 10, 0}};

        expect_granted(w, 1, 0, MANY, (unsigned[]){0});
        expect_granted(w, 0, 5, MANY, NULL);
}
END_TEST

START_TEST(a_wish_without_end_ends_at_the_maximum)
{
        struct pool_wish w[] = {{1, UINT_MAX, 1, 0}, {1, 2, 1, 0}};

        expect_granted(w, 2, 50, MANY, (unsigned[]){48, 2});
}
END_TEST

/* --- leaving alone --- */

START_TEST(the_back_off_doubles_up_to_five_minutes)
{
        ck_assert_uint_eq(pool_backoff_ms(0), 0);
        ck_assert_uint_eq(pool_backoff_ms(1), 1000);
        ck_assert_uint_eq(pool_backoff_ms(2), 2000);
        ck_assert_uint_eq(pool_backoff_ms(3), 4000);
        ck_assert_uint_eq(pool_backoff_ms(9), 256000);
        ck_assert_uint_eq(pool_backoff_ms(10), 300000);
        ck_assert_uint_eq(pool_backoff_ms(100), 300000);
        ck_assert_uint_eq(pool_backoff_ms(UINT_MAX), 300000);
}
END_TEST

UNIT_MAIN("pool_policy", what_was_never_used_is_not_in_demand,
          a_use_weighs_one_and_is_halved_once_per_half_life, uses_add_up_from_what_is_left_of_earlier_ones,
          while_a_job_runs_its_shape_stays_in_demand, demand_fades_from_a_jobs_end_not_from_its_beginning,
          an_end_without_a_beginning_counts_no_job_below_none, priming_counts_as_one_use_however_often,
          priming_takes_nothing_from_what_is_in_more_demand,
          what_is_forgotten_counts_again_with_its_next_job, a_clock_that_steps_back_changes_nothing,
          demand_lasts_exactly_as_long_as_is_said,
          what_was_used_once_is_let_go_after_four_and_a_third_half_lives,
          as_many_as_configured_are_wanted_for_one_job_after_another,
          as_many_as_ran_at_once_are_wanted_for_a_while, what_ran_at_once_does_not_fade_while_it_runs,
          none_are_wanted_when_none_are_configured, all_get_what_they_want_when_there_is_enough,
          the_first_of_each_comes_before_the_second_of_any, within_a_round_those_in_more_demand_come_first,
          of_two_in_equal_demand_the_first_is_first, memory_ends_it_too,
          who_is_too_large_leaves_the_room_to_others, the_order_of_wishes_is_kept,
          nothing_is_shared_out_of_nothing, a_wish_without_end_ends_at_the_maximum,
          the_back_off_doubles_up_to_five_minutes)
