/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../guest/leash.h"
#include "unit.h"

#define MS 1000000ULL

START_TEST(one_that_sleeps_most_of_the_time_stays_free)
{
        struct leash l = {};
        uint64_t used = 0;

        for (uint64_t now = 0; now < 10000; now += 10) {
                used += 2;
                ck_assert_int_eq(leash_decide(&l, now * MS, used * MS), LEASH_NOTHING);
        }
}
END_TEST

START_TEST(a_burst_is_cut_off_at_the_budget)
{
        struct leash l = {};

        ck_assert_int_eq(leash_decide(&l, 500 * MS, 100 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 650 * MS, 250 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 660 * MS, 260 * MS), LEASH_HOLD);
        ck_assert(l.held);
}
END_TEST

START_TEST(the_budget_is_one_of_each_window)
{
        struct leash l = {};

        ck_assert_int_eq(leash_decide(&l, 990 * MS, 200 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 1000 * MS, 210 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 1300 * MS, 450 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 1320 * MS, 470 * MS), LEASH_HOLD);
}
END_TEST

START_TEST(it_is_released_when_it_was_calm_for_a_window)
{
        struct leash l = {};

        ck_assert_int_eq(leash_decide(&l, 300 * MS, 300 * MS), LEASH_HOLD);
        ck_assert_int_eq(leash_decide(&l, 1200 * MS, 300 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 1300 * MS, 600 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 2200 * MS, 640 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 2300 * MS, 640 * MS), LEASH_RELEASE);
        ck_assert(!l.held);
        ck_assert_int_eq(leash_decide(&l, 2600 * MS, 891 * MS), LEASH_HOLD);
}
END_TEST

START_TEST(when_nobody_looked_for_long_it_is_the_share_that_counts)
{
        struct leash l = {};

        /* 2.5 % of ten seconds, and then a third of ten. */
        ck_assert_int_eq(leash_decide(&l, 10000 * MS, 260 * MS), LEASH_NOTHING);
        ck_assert_int_eq(leash_decide(&l, 20000 * MS, 3600 * MS), LEASH_HOLD);
        ck_assert_int_eq(leash_decide(&l, 30000 * MS, 4000 * MS), LEASH_RELEASE);
}
END_TEST

UNIT_MAIN("leash", one_that_sleeps_most_of_the_time_stays_free, a_burst_is_cut_off_at_the_budget,
          the_budget_is_one_of_each_window, when_nobody_looked_for_long_it_is_the_share_that_counts,
          it_is_released_when_it_was_calm_for_a_window)
