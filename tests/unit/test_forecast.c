/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../daemon/forecast.h"
#include "../lib/suite.h"

static struct {
        struct admission a;
        struct forecast_times times;
        struct admission_capacity capacity; /* 4 vCPUs, 1024 MiB */
        struct admission_job jobs[8];
        size_t n;
} f;

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        admission_init(&f.a);
        f.capacity = (struct admission_capacity){.host_cpus = 2, .overcommit = 2, .memory_mib = 1024};
}

static void teardown(void)
{
        for (size_t i = 0; i < f.n; i++)
                if (f.jobs[i].user)
                        admission_remove(&f.a, &f.jobs[i]);
        admission_done(&f.a);
}

static struct admission_job a_run(unsigned cpus, uint64_t duration_ms)
{
        return (struct admission_job){.cpus = cpus,
                                      .memory_mib = 64,
                                      .priority = ADMISSION_NORMAL,
                                      .duration_ms = duration_ms,
                                      .timeout_ms = duration_ms + 120000};
}

static struct admission_job a_command(unsigned cpus)
{
        struct admission_job job = a_run(cpus, 0);

        job.command = true;
        return job;
}

static struct admission_job *add(struct admission_job job)
{
        f.jobs[f.n] = job;
        f.jobs[f.n].user = admission_user_of(&f.a, 1000);
        ck_assert_ptr_nonnull(f.jobs[f.n].user);
        admission_add(&f.a, &f.jobs[f.n]);
        return &f.jobs[f.n++];
}

static struct admission_job *add_running(struct admission_job job, uint64_t since_ms)
{
        struct admission_job *added = add(job);

        admission_start(&f.a, added, since_ms);
        return added;
}

static void learn(struct admission_job job, uint64_t took_ms)
{
        forecast_learn(&f.times, &job, took_ms);
}

static int64_t wait_of(const struct admission_job *job, uint64_t now_ms)
{
        forecast(&f.a, &f.times, &f.capacity, now_ms);
        return job->wait_ms;
}

START_TEST(before_anything_has_ended_nothing_is_known)
{
        struct admission_job *first = add(a_run(4, 5000)), *second = add(a_run(4, 5000));

        /* But where nothing runs, there is nothing to wait for. */
        ck_assert_int_eq(wait_of(first, 0), 0);
        ck_assert_int_eq(second->wait_ms, FORECAST_UNKNOWN);
        admission_start(&f.a, first, 0);
        ck_assert_int_eq(wait_of(second, 100), FORECAST_UNKNOWN);
        ck_assert_uint_eq(second->ahead, 0);
}
END_TEST

START_TEST(a_run_takes_its_duration_and_what_runs_take_besides)
{
        struct admission_job run = a_run(1, 10000);

        learn(a_run(1, 5000), 7000);
        ck_assert_double_eq(forecast_expect(&f.times, &run), 12000);
        /* The last ones weigh more, each a quarter. */
        learn(a_run(1, 1000), 7000);
        ck_assert_double_eq(forecast_expect(&f.times, &run), 13000);
        for (unsigned i = 0; i < 50; i++)
                learn(a_run(1, 1000), 1500);
        ck_assert_double_eq_tol(forecast_expect(&f.times, &run), 10500, 1);
}
END_TEST

START_TEST(a_run_that_was_over_early_says_nothing)
{
        struct admission_job run = a_run(1, 10000);

        learn(a_run(1, 60000), 2000);
        ck_assert_double_eq(forecast_expect(&f.times, &run), FORECAST_UNKNOWN);
        learn(a_run(1, 5000), 7000);
        learn(a_run(1, 60000), 2000);
        ck_assert_double_eq(forecast_expect(&f.times, &run), 12000);
}
END_TEST

START_TEST(a_command_takes_what_commands_took)
{
        struct admission_job command = a_command(1), run = a_run(1, 5000);

        learn(a_command(1), 3000);
        ck_assert_double_eq(forecast_expect(&f.times, &command), 3000);
        /* Until the other is known it stands for it. */
        ck_assert_double_eq(forecast_expect(&f.times, &run), 8000);
        learn(a_run(1, 5000), 6000);
        ck_assert_double_eq(forecast_expect(&f.times, &run), 6000);
        ck_assert_double_eq(forecast_expect(&f.times, &command), 3000);
}
END_TEST

START_TEST(a_command_of_which_nothing_is_known_takes_what_runs_take_besides)
{
        struct admission_job command = a_command(1);

        learn(a_run(1, 5000), 7000);
        ck_assert_double_eq(forecast_expect(&f.times, &command), 2000);
}
END_TEST

START_TEST(no_job_takes_more_than_its_timeout)
{
        struct admission_job command = a_command(1);

        command.timeout_ms = 500;
        learn(a_command(1), 3000);
        ck_assert_double_eq(forecast_expect(&f.times, &command), 500);
}
END_TEST

START_TEST(each_waits_for_what_is_left_and_those_ahead)
{
        struct admission_job *first, *second, *third;

        learn(a_run(1, 1000), 3000);
        add_running(a_run(4, 8000), 50000);
        first = add(a_run(4, 1000));
        second = add(a_run(4, 3000));
        third = add(a_run(4, 3000));
        ck_assert_int_eq(wait_of(first, 54000), 6000);
        ck_assert_int_eq(second->wait_ms, 6000 + 3000);
        ck_assert_int_eq(third->wait_ms, 6000 + 3000 + 5000);
        ck_assert_uint_eq(first->ahead, 0);
        ck_assert_uint_eq(second->ahead, 1);
        ck_assert_uint_eq(third->ahead, 2);
}
END_TEST

START_TEST(each_weighs_as_much_as_its_share_of_the_host)
{
        struct admission_job *last, large;

        learn(a_run(1, 1000), 1000);
        add_running(a_run(1, 8000), 0);
        add_running(a_run(2, 4000), 0);
        large = a_run(1, 4000);
        large.memory_mib = 512; /* half of the memory, a quarter of the vCPUs */
        add(large);
        add(a_run(100, 1000)); /* never more than the whole */
        last = add(a_run(4, 1000));
        ck_assert_int_eq(wait_of(last, 0), 8000 / 4 + 4000 / 2 + 4000 / 2 + 1000);
}
END_TEST

START_TEST(one_that_has_the_host_to_itself_weighs_all_of_it)
{
        struct admission_job *waits, alone = a_run(1, 2000);

        learn(a_run(1, 1000), 1000);
        alone.alone = true;
        add_running(alone, 0);
        add(alone);
        waits = add(a_run(1, 1000));
        ck_assert_int_eq(wait_of(waits, 0), 2000 + 2000);
}
END_TEST

START_TEST(one_that_overruns_is_about_to_end_and_never_has_ended)
{
        struct admission_job *waits;

        learn(a_run(1, 1000), 1000);
        add_running(a_run(4, 8000), 1000);
        waits = add(a_run(4, 1000));
        ck_assert_int_eq(wait_of(waits, 8900), 1000);
        ck_assert_int_eq(wait_of(waits, 1000000), 1000);
        /* A clock that was read before it started. */
        ck_assert_int_eq(wait_of(waits, 0), 8000);
}
END_TEST

START_TEST(a_host_without_anything_makes_no_nonsense)
{
        struct admission_job *waits;

        f.capacity = (struct admission_capacity){};
        learn(a_run(1, 1000), 1000);
        add_running(a_run(1, 2000), 0);
        waits = add(a_run(1, 1000));
        ck_assert_int_eq(wait_of(waits, 0), 2000);
}
END_TEST

START_TEST(those_of_higher_priority_are_ahead)
{
        struct admission_job *low, high = a_run(4, 1000);

        learn(a_run(1, 1000), 1000);
        low = add(a_run(4, 1000));
        ck_assert_int_eq(wait_of(low, 0), 0);
        high.priority = ADMISSION_HIGH;
        add(high);
        ck_assert_int_eq(wait_of(low, 0), 1000);
        ck_assert_uint_eq(low->ahead, 1);
}
END_TEST

int main(void)
{
        const TTest *const tests[] = {
                before_anything_has_ended_nothing_is_known,
                a_run_takes_its_duration_and_what_runs_take_besides,
                a_run_that_was_over_early_says_nothing,
                a_command_takes_what_commands_took,
                a_command_of_which_nothing_is_known_takes_what_runs_take_besides,
                no_job_takes_more_than_its_timeout,
                each_waits_for_what_is_left_and_those_ahead,
                each_weighs_as_much_as_its_share_of_the_host,
                one_that_has_the_host_to_itself_weighs_all_of_it,
                one_that_overruns_is_about_to_end_and_never_has_ended,
                a_host_without_anything_makes_no_nonsense,
                those_of_higher_priority_are_ahead,
        };
        Suite *s = suite_create("forecast");
        TCase *c = tcase_create("forecast");

        tcase_add_checked_fixture(c, setup, teardown);
        for (size_t i = 0; i < KT_ARRAY_SIZE(tests); i++)
                tcase_add_test(c, tests[i]);
        suite_add_tcase(s, c);
        return suite_run(s);
}
