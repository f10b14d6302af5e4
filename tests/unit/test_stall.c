/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/stall.h"
#include "unit.h"

#define MS 1000000ULL
#define GONE_MS 20000

static struct kt_worker workers[512];
static struct kt_cgroup group;
static struct kt_workload workload;
static struct delay_log delays;

/* n workers on two CPUs, and a host that keeps one of the guest's vCPUs waiting from delayed_ms to
 * until_ms. */
static void set_up(size_t n, uint64_t delayed_ms, uint64_t until_ms)
{
        group = (struct kt_cgroup){
                .workers = workers, .n_workers = n, .started_ns = MS, .stopped_ns = GONE_MS * MS};
        workload = (struct kt_workload){
                .cgroups = &group, .n_cgroups = 1, .started_ns = MS, .stopped_ns = GONE_MS * MS};
        ktstr_cpus_add(&workload.cpus, 0);
        ktstr_cpus_add(&workload.cpus, 1);
        delays = (struct delay_log){};
        for (uint64_t at = 0; at <= GONE_MS; at += 100) {
                const uint64_t waited = at < delayed_ms ? 0
                                        : at > until_ms ? until_ms - delayed_ms
                                                        : at - delayed_ms;

                delay_log_add(&delays, at * MS, (const uint64_t[]){waited * MS}, 1);
        }
        delay_log_tie(&delays, 0, 0);
}

static void assert_excuse(uint64_t timeout_ms, const char *expected)
{
        _cleanup_free_ char *excuse = stall_excuse(&workload, &delays, GONE_MS * MS, timeout_ms);

        if (expected)
                ck_assert_ptr_nonnull(excuse);
        ck_assert_pstr_eq(excuse, expected);
        delay_log_done(&delays);
}

START_TEST(a_scheduler_that_had_the_time_has_no_excuse)
{
        set_up(2, 0, 0);
        assert_excuse(5000, NULL);
}
END_TEST

START_TEST(a_host_that_held_back_half_of_it_is_one)
{
        set_up(2, 16000, 18400);
        assert_excuse(5000, NULL);
        set_up(2, 16000, 18500);
        assert_excuse(5000,
                      "in the 5000 ms before, the host may have kept a worker waiting for 2500; the timeout "
                      "of 5000 ms is the default, and .watchdog_timeout_s sets another");
}
END_TEST

START_TEST(what_the_host_did_before_is_none)
{
        set_up(2, 5000, 14900);
        assert_excuse(5000, NULL);
}
END_TEST

START_TEST(a_round_of_as_long_is_one)
{
        set_up(499, 0, 0);
        assert_excuse(5000, NULL);
        set_up(500, 0, 0);
        assert_excuse(5000,
                      "with so many workers a round takes up to 5000 ms; the timeout of 5000 ms is the "
                      "default, and .watchdog_timeout_s sets another");
}
END_TEST

/* Those that are bound to one CPU share that one. */
START_TEST(a_round_of_those_that_are_bound_is_theirs)
{
        set_up(300, 0, 0);
        for (size_t i = 0; i < 250; i++) {
                workers[i].has_cpus = true;
                ktstr_cpus_add(&workers[i].cpus, 1);
        }
        assert_excuse(5000,
                      "with so many workers a round takes up to 5000 ms; the timeout of 5000 ms is the "
                      "default, and .watchdog_timeout_s sets another");
        memset(workers, 0, sizeof(workers));
}
END_TEST

START_TEST(workers_that_were_gone_do_not_count)
{
        set_up(512, 0, 0);
        group.stopped_ns = 14 * 1000 * MS;
        assert_excuse(5000, NULL);
}
END_TEST

UNIT_MAIN("stall", a_scheduler_that_had_the_time_has_no_excuse, a_host_that_held_back_half_of_it_is_one,
          what_the_host_did_before_is_none, a_round_of_as_long_is_one,
          a_round_of_those_that_are_bound_is_theirs, workers_that_were_gone_do_not_count)
