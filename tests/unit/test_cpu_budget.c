/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/cpu_budget.h"
#include "unit.h"

static struct cpu_budgets budgets;

static const char *format(const struct ktstr_cpus *set)
{
        static char text[128];

        return ktstr_cpus_format(set, text, sizeof(text));
}

static struct ktstr_cpus take(const char *usable, unsigned n)
{
        struct ktstr_cpus cpus;

        ck_assert(ktstr_cpus_parse(usable, &cpus));
        return cpu_budget_take(&budgets, &cpus, n);
}

START_TEST(budgets_do_not_meet_as_long_as_there_is_room)
{
        const struct ktstr_cpus a = take("2-7", 2), b = take("2-7", 3), c = take("2-7", 2);

        ck_assert_str_eq(format(&a), "2-3");
        ck_assert_str_eq(format(&b), "4-6");
        ck_assert_str_eq(format(&c), "2,7");
}
END_TEST

START_TEST(what_is_given_back_is_taken_first)
{
        const struct ktstr_cpus a = take("0-3", 2), b = take("0-3", 2);
        struct ktstr_cpus c;

        ck_assert_str_eq(format(&a), "0-1");
        cpu_budget_give_back(&budgets, &b);
        c = take("0-3", 1);
        ck_assert_str_eq(format(&c), "2");
        cpu_budget_give_back(&budgets, &a);
        cpu_budget_give_back(&budgets, &c);
        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                ck_assert_uint_eq(budgets.takers[cpu], 0);
}
END_TEST

START_TEST(more_than_there_are_is_all)
{
        const struct ktstr_cpus a = take("1,3", 8);

        ck_assert_str_eq(format(&a), "1,3");
        cpu_budget_give_back(&budgets, &a);
}
END_TEST

UNIT_MAIN("cpu_budget", budgets_do_not_meet_as_long_as_there_is_room, what_is_given_back_is_taken_first,
          more_than_there_are_is_all)
