/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/delay_log.h"
#include "unit.h"

#define MS 1000000ULL

static uint64_t of_one(struct delay_log *log, uint64_t from_ns, uint64_t to_ns)
{
        return delay_log_between(log, KT_DELAY_OF_ONE, from_ns, to_ns);
}

static uint64_t of_all(struct delay_log *log, uint64_t from_ns, uint64_t to_ns)
{
        return delay_log_between(log, KT_DELAY_OF_ALL, from_ns, to_ns);
}

/* A sample every 100 ms of host time from 1 s on; the vCPUs wait only between 1500 and 1700 ms, all of it.
 * The guest's clock is 1 s behind. */
static struct delay_log a_stop_of_200_ms(void)
{
        struct delay_log log = {0};

        for (uint64_t at = 1000; at <= 3000; at += 100) {
                const uint64_t delay = at <= 1500 ? 0 : at >= 1700 ? 200 * MS : (at - 1500) * MS;

                delay_log_add(&log, at * MS, &delay, 1);
        }
        delay_log_tie(&log, 1000 * MS, 0);
        return log;
}

START_TEST(a_window_around_the_stop_has_it_all)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(of_one(&log, 450 * MS, 750 * MS), 200 * MS);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_elsewhere_has_nothing)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(of_one(&log, 1000 * MS, 1500 * MS), 0);
        ck_assert_uint_eq(of_one(&log, 0, 300 * MS), 0);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_is_widened_by_one_interval)
{
        struct delay_log log = a_stop_of_200_ms();

        /* It ends as the stop begins: the sample after it belongs to it. */
        ck_assert_uint_eq(of_one(&log, 300 * MS, 500 * MS), 100 * MS);
        delay_log_done(&log);
}
END_TEST

START_TEST(a_window_beyond_the_samples_takes_what_there_is)
{
        struct delay_log log = a_stop_of_200_ms();

        ck_assert_uint_eq(of_one(&log, 0, 100000 * MS), 200 * MS);
        ck_assert_uint_eq(of_one(&log, 90000 * MS, 100000 * MS), 0);
        delay_log_done(&log);
}
END_TEST

START_TEST(without_a_tie_or_samples_nothing_is_excused)
{
        struct delay_log log = {0};

        ck_assert_uint_eq(of_one(&log, 0, 1000 * MS), 0);
        delay_log_add(&log, 0, (const uint64_t[]){0}, 1);
        delay_log_add(&log, 1000 * MS, (const uint64_t[]){1000 * MS}, 1);
        ck_assert_uint_eq(of_one(&log, 0, 1000 * MS), 0);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 1000 * MS), 1000 * MS);
        delay_log_done(&log);
}
END_TEST

/* What the threads had waited for before anybody looked is none of the window's. */
START_TEST(only_what_is_added_counts)
{
        struct delay_log log = {0};

        delay_log_add(&log, 0, (const uint64_t[]){7000 * MS, 9000 * MS}, 2);
        delay_log_add(&log, 100 * MS, (const uint64_t[]){7010 * MS, 9030 * MS}, 2);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 100 * MS), 40 * MS);
        ck_assert_uint_eq(of_all(&log, 0, 100 * MS), 40 * MS);
        delay_log_done(&log);
}
END_TEST

/* Eight vCPUs that take turns on two CPUs for 3 s: each waits three quarters of the time. A worker may have
 * been wherever it had to wait, for all of the time, but not for the 18 s that they wait together. */
START_TEST(a_worker_waits_for_one_at_a_time)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 3000; at += 100) {
                uint64_t delays[8];

                for (unsigned i = 0; i < 8; i++)
                        delays[i] = at * MS * 3 / 4;
                delay_log_add(&log, at * MS, delays, 8);
        }
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 3000 * MS), 3000 * MS);
        ck_assert_uint_eq(of_all(&log, 0, 3000 * MS), 18000 * MS);
        delay_log_done(&log);
}
END_TEST

/* First the one CPU was held back and then the other, on which the worker went on. */
START_TEST(a_worker_may_have_waited_for_one_after_the_other)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 1000; at += 100) {
                const uint64_t first = at < 500 ? at : 500, second = at - first;

                delay_log_add(&log, at * MS, (const uint64_t[]){first * MS, second * MS}, 2);
        }
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 1000 * MS), 1000 * MS);
        ck_assert_uint_eq(of_all(&log, 0, 1000 * MS), 1000 * MS);
        delay_log_done(&log);
}
END_TEST

/* The one in the first half of each interval, the other in the second. */
START_TEST(a_worker_may_have_waited_for_two_in_one_interval)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 1000; at += 100)
                delay_log_add(&log, at * MS, (const uint64_t[]){at * MS / 2, at * MS / 2}, 2);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 1000 * MS), 1000 * MS);
        delay_log_done(&log);
}
END_TEST

/* Two wait for the same second, from 1 s on; the one gets a CPU a little after the other, and each is only
 * then said to have waited, for all of it. */
START_TEST(waits_at_the_same_time_are_one_to_a_worker)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 4000; at += 100)
                delay_log_add(&log, at * MS,
                              (const uint64_t[]){at >= 2000 ? 1000 * MS : 0, at >= 2100 ? 1000 * MS : 0}, 2);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 4000 * MS), 1100 * MS);
        ck_assert_uint_eq(of_all(&log, 0, 4000 * MS), 2000 * MS);
        delay_log_done(&log);
}
END_TEST

/* It is seen at 2 s, and was before. */
START_TEST(a_wait_is_where_it_was)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 4000; at += 100)
                delay_log_add(&log, at * MS, (const uint64_t[]){at >= 2000 ? 1000 * MS : 0}, 1);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 1200 * MS, 1700 * MS), 500 * MS);
        ck_assert_uint_eq(of_one(&log, 0, 800 * MS), 0);
        ck_assert_uint_eq(of_one(&log, 2200 * MS, 4000 * MS), 0);
        delay_log_done(&log);
}
END_TEST

/* It waits for 60 ms, runs for a moment, and so on: told of are none, one or two of these in an interval. */
START_TEST(a_wait_does_not_reach_back_over_the_one_before)
{
        struct delay_log log = {0};

        for (uint64_t at = 0; at <= 3000; at += 100)
                delay_log_add(&log, at * MS, (const uint64_t[]){at / 60 * 60 * MS}, 1);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(of_one(&log, 0, 3000 * MS), 3000 * MS);
        ck_assert_uint_eq(of_all(&log, 0, 3000 * MS), 3000 * MS);
        /* More than there was time for. */
        delay_log_add(&log, 3100 * MS, (const uint64_t[]){9000 * MS}, 1);
        ck_assert_uint_eq(of_all(&log, 0, 3100 * MS), 3100 * MS);
        delay_log_done(&log);
}
END_TEST

/* What one interval has of several waits is less than it lasts: the wait after it has the rest. */
START_TEST(what_a_wait_leaves_of_an_interval_is_for_the_next_one)
{
        struct delay_log log = {0};
        const uint64_t delays[] = {0, 30, 150, 150, 380};

        for (uint64_t i = 0; i < 5; i++)
                delay_log_add(&log, i * 100 * MS, (const uint64_t[]){delays[i] * MS}, 1);
        delay_log_tie(&log, 0, 0);
        ck_assert_uint_eq(log.samples[1].waited_ns, 80 * MS);
        ck_assert_uint_eq(log.samples[2].waited_ns, 100 * MS);
        ck_assert_uint_eq(log.samples[3].waited_ns, 100 * MS);
        ck_assert_uint_eq(log.samples[4].waited_ns, 100 * MS);
        delay_log_done(&log);
}
END_TEST

UNIT_MAIN("delay_log", a_window_around_the_stop_has_it_all, a_window_elsewhere_has_nothing,
          a_window_is_widened_by_one_interval, a_window_beyond_the_samples_takes_what_there_is,
          without_a_tie_or_samples_nothing_is_excused, only_what_is_added_counts,
          a_worker_waits_for_one_at_a_time, a_worker_may_have_waited_for_one_after_the_other,
          a_worker_may_have_waited_for_two_in_one_interval, waits_at_the_same_time_are_one_to_a_worker,
          a_wait_is_where_it_was, a_wait_does_not_reach_back_over_the_one_before,
          what_a_wait_leaves_of_an_interval_is_for_the_next_one)
