/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/check.h"

#define MS 1000000ULL

static unsigned one_cpu[] = {1};

/* Two workers in one cgroup, both fine; the cases spoil one number each. */
static struct kt_worker workers[2];
static struct kt_cgroup group;
static struct kt_workload load;

static void set_up(void)
{
        for (int i = 0; i < 2; i++)
                workers[i] = (struct kt_worker){.tid = 70 + i,
                                                .work_units = 1000,
                                                .wall_ns = 5000 * MS,
                                                .cpu_ns = 4000 * MS,
                                                .off_cpu_ns = 1000 * MS,
                                                .max_gap_ns = 10 * MS,
                                                .max_gap_cpu = 2,
                                                .max_gap_at_ns = 3200 * MS,
                                                .cpus_used = one_cpu,
                                                .n_cpus_used = 1,
                                                .started_ns = 100 * MS};
        group = (struct kt_cgroup){.name = (char *)"cg_0", .workers = workers, .n_workers = 2};
        load = (struct kt_workload){
                .started_ns = 100 * MS, .stopped_ns = 5100 * MS, .cgroups = &group, .n_cgroups = 1};
}

static uint64_t delay_ns, asked_from, asked_to;

static uint64_t host_delay(void *userdata, uint64_t from_ns, uint64_t to_ns)
{
        asked_from = from_ns;
        asked_to = to_ns;
        return delay_ns;
}

/* The first result of that name. */
static struct kt_check_result check(const char *name, const struct kt_thresholds *t, kt_host_delay_cb delay)
{
        struct kt_check_result *all = NULL, found = {.outcome = KT_SKIP};
        size_t n = 0;

        ck_assert_int_eq(kt_check_all(&load, t, delay, NULL, &all, &n), 0);
        for (size_t i = n; i-- > 0;)
                if (strcmp(all[i].name, name) == 0)
                        found = all[i];
        free(all);
        return found;
}

START_TEST(test_sound_workload_passes_all)
{
        struct kt_thresholds t = kt_thresholds_default(false);

        ck_assert_int_eq(check("not_starved", &t, NULL).outcome, KT_PASS);
        ck_assert_int_eq(check("gap", &t, NULL).outcome, KT_PASS);
        ck_assert_int_eq(check("spread", &t, NULL).outcome, KT_PASS);
        ck_assert_int_eq(check("isolation", &t, NULL).outcome, KT_SKIP);
}
END_TEST

START_TEST(test_gap_text_names_place_and_threshold)
{
        struct kt_thresholds t = kt_thresholds_default(true);

        workers[0].max_gap_ns = 4500 * MS;
        struct kt_check_result r = check("gap", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_FAIL);
        ck_assert_str_eq(r.text, "tid 70 stuck 4500ms on cpu2 at +3200ms (threshold 3000ms)");
        workers[0].max_gap_ns = 3000 * MS;
        ck_assert_int_eq(check("gap", &t, NULL).outcome, KT_PASS);
}
END_TEST

START_TEST(test_host_at_fault_is_inconclusive_from_the_missed_time_on)
{
        struct kt_thresholds t = kt_thresholds_default(false);

        workers[1].max_gap_ns = 2500 * MS;
        delay_ns = 499 * MS;
        ck_assert_int_eq(check("gap", &t, host_delay).outcome, KT_FAIL);
        ck_assert_uint_eq(asked_to, 3300 * MS);
        ck_assert_uint_eq(asked_from, 800 * MS);
        delay_ns = 500 * MS;
        ck_assert_int_eq(check("gap", &t, host_delay).outcome, KT_INCONCLUSIVE);
}
END_TEST

START_TEST(test_starved_worker_fails)
{
        struct kt_thresholds t = kt_thresholds_default(false);

        workers[1].work_units = 0;
        struct kt_check_result r = check("not_starved", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_FAIL);
        ck_assert_str_eq(r.text, "tid 71 starved (0 work units)");
}
END_TEST

START_TEST(test_who_waits_for_a_turn_among_many_is_not_starved)
{
        struct kt_thresholds t = kt_thresholds_default(true);

        /* Two on one CPU have a round of 40 ms. */
        workers[1].work_units = 0;
        load.stopped_ns = load.started_ns + 39 * MS;
        struct kt_check_result r = check("not_starved", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_INCONCLUSIVE);
        ck_assert_str_eq(r.text,
                         "tid 71 starved (0 work units); with so many workers a round takes up to 40ms");
        load.stopped_ns = load.started_ns + 40 * MS;
        ck_assert_int_eq(check("not_starved", &t, NULL).outcome, KT_FAIL);
}
END_TEST

START_TEST(test_spread_is_of_off_cpu_shares)
{
        struct kt_thresholds t = kt_thresholds_default(true);

        workers[0].off_cpu_ns = 400 * MS;
        workers[1].off_cpu_ns = 2500 * MS;
        struct kt_check_result r = check("spread", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_FAIL);
        ck_assert_str_eq(r.text, "unfair cgroup: spread=42% (8-50%) 2 workers on 1 cpus (threshold 35%)");
}
END_TEST

START_TEST(test_spread_of_a_moment_cannot_be_told)
{
        struct kt_thresholds t = kt_thresholds_default(true);

        workers[0].off_cpu_ns = 400 * MS;
        workers[1].off_cpu_ns = 2500 * MS;
        load.stopped_ns = load.started_ns + 999 * MS;
        struct kt_check_result r = check("spread", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_INCONCLUSIVE);
        ck_assert_str_eq(r.text,
                         "spread=42% (threshold 35%), but a workload of 999 ms is too short to tell");
}
END_TEST

START_TEST(test_isolation_needs_a_cpuset_and_names_the_cpu)
{
        struct kt_thresholds t = kt_thresholds_default(false);
        unsigned allowed[] = {0};

        group.cpus = allowed;
        group.n_cpus = 1;
        struct kt_check_result r = check("isolation", &t, NULL);
        ck_assert_int_eq(r.outcome, KT_FAIL);
        ck_assert_str_eq(r.text, "tid 70 of cg_0 ran on cpu1, outside its cpuset");
        allowed[0] = 1;
        ck_assert_int_eq(check("isolation", &t, NULL).outcome, KT_PASS);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("check");
        TCase *tc = tcase_create("checks");

        tcase_add_checked_fixture(tc, set_up, NULL);
        tcase_add_test(tc, test_sound_workload_passes_all);
        tcase_add_test(tc, test_gap_text_names_place_and_threshold);
        tcase_add_test(tc, test_host_at_fault_is_inconclusive_from_the_missed_time_on);
        tcase_add_test(tc, test_starved_worker_fails);
        tcase_add_test(tc, test_who_waits_for_a_turn_among_many_is_not_starved);
        tcase_add_test(tc, test_spread_is_of_off_cpu_shares);
        tcase_add_test(tc, test_spread_of_a_moment_cannot_be_told);
        tcase_add_test(tc, test_isolation_needs_a_cpuset_and_names_the_cpu);
        suite_add_tcase(s, tc);

        SRunner *sr = srunner_create(s);
        srunner_run_all(sr, CK_NORMAL);
        int failed = srunner_ntests_failed(sr);
        srunner_free(sr);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
