/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../guest/rt_budget.h"
#include "unit.h"

/* Times in ms. */
static enum rt_budget_step look(struct rt_budget *l, uint64_t now, uint64_t used)
{
        return rt_budget_decide(l, now * 1000000, used * 1000000);
}

START_TEST(one_that_sleeps_most_of_the_time_stays_free)
{
        struct rt_budget l = {};
        uint64_t used = 0;

        for (uint64_t now = 0; now < 10000; now += 10) {
                used += 2;
                ck_assert_int_eq(look(&l, now, used), RT_BUDGET_NOTHING);
        }
}
END_TEST

START_TEST(a_burst_is_cut_off_at_the_budget)
{
        struct rt_budget l = {};

        ck_assert_int_eq(look(&l, 500, 100), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 650, 250), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 660, 260), RT_BUDGET_HOLD);
        ck_assert(l.held);
}
END_TEST

START_TEST(the_budget_is_one_of_each_window)
{
        struct rt_budget l = {};

        ck_assert_int_eq(look(&l, 990, 200), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 1000, 210), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 1300, 450), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 1320, 470), RT_BUDGET_HOLD);
}
END_TEST

START_TEST(it_is_released_when_it_was_calm_for_a_window)
{
        struct rt_budget l = {};

        ck_assert_int_eq(look(&l, 300, 300), RT_BUDGET_HOLD);
        ck_assert_int_eq(look(&l, 1200, 300), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 1300, 600), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 2200, 640), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 2300, 640), RT_BUDGET_RELEASE);
        ck_assert(!l.held);
        ck_assert_int_eq(look(&l, 2600, 891), RT_BUDGET_HOLD);
}
END_TEST

START_TEST(when_nobody_looked_for_long_it_is_the_share_that_counts)
{
        struct rt_budget l = {};

        /* 2.5 % of ten seconds, and then a third of ten. */
        ck_assert_int_eq(look(&l, 10000, 260), RT_BUDGET_NOTHING);
        ck_assert_int_eq(look(&l, 20000, 3600), RT_BUDGET_HOLD);
        ck_assert_int_eq(look(&l, 30000, 4000), RT_BUDGET_RELEASE);
}
END_TEST

UNIT_MAIN("rt_budget", one_that_sleeps_most_of_the_time_stays_free, a_burst_is_cut_off_at_the_budget,
          the_budget_is_one_of_each_window, when_nobody_looked_for_long_it_is_the_share_that_counts,
          it_is_released_when_it_was_calm_for_a_window)
