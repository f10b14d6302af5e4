/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/delay_log.h"
#include "unit.h"

#define MS 1000000ULL

/* A sample every 100 ms of host time from 1 s on; the vCPUs wait only between 1500 and 1700 ms, all of it.
 * The guest's clock is 1 s behind. */
static struct delay_log a_stop_of_200_ms(void)
{
        struct delay_log log = {0};

        for (uint64_t at = 1000; at <= 3000; at += 100)
                delay_log_add(&log, at * MS, at <= 1500 ? 0 : at >= 1700 ? 200 * MS : (at - 1500) * MS);
        delay_log_tie(&log, 1000 * MS, 0);
        return log;
}

START_TEST(a_window_around_the_stop_has_it_all)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(delay_log_between(&log, 450 * MS, 750 * MS), 200 * MS);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_elsewhere_has_nothing)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(delay_log_between(&log, 1000 * MS, 1500 * MS), 0);
        ck_assert_uint_eq(delay_log_between(&log, 0, 300 * MS), 0);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_is_widened_by_one_interval)
{
        struct delay_log log = a_stop_of_200_ms();

        /* It ends as the stop begins: the sample after it belongs to it. */
        ck_assert_uint_eq(delay_log_between(&log, 300 * MS, 500 * MS), 100 * MS);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_beyond_the_samples_takes_what_there_is)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(delay_log_between(&log, 0, 100000 * MS), 200 * MS);
        ck_assert_uint_eq(delay_log_between(&log, 90000 * MS, 100000 * MS), 0);
        delay_log_done(&log);
}
END_TEST

START_TEST(without_a_tie_or_samples_nothing_is_excused)
{
        struct delay_log log = {0};

        ck_assert_uint_eq(delay_log_between(&log, 0, 1000 * MS), 0);
        delay_log_add(&log, 0, 0);
        delay_log_add(&log, 1000 * MS, 1000 * MS);
        ck_assert_uint_eq(delay_log_between(&log, 0, 1000 * MS), 0);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(delay_log_between(&log, 0, 1000 * MS), 1000 * MS);
        delay_log_done(&log);
}
END_TEST

UNIT_MAIN("delay_log", a_window_around_the_stop_has_it_all, a_window_elsewhere_has_nothing,
          a_window_is_widened_by_one_interval, a_window_beyond_the_samples_takes_what_there_is,
          without_a_tie_or_samples_nothing_is_excused)
