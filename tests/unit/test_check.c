/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../lib/check.h"
#include "../../lib/thresholds.h"
#include "unit.h"

#define MS 1000000ULL

/* Two workers in one cgroup of one scenario, both fine; the cases spoil one number each. */
static struct kt_worker workers[2];
static struct kt_cgroup group;
static struct kt_scenario scenario;
static struct kt_workload load;
static struct ktstr_checks *checks;

static uint64_t delay_ns, asked_from, asked_to;
static enum kt_delay asked_of;

static void set_up(bool emulated)
{
        for (int i = 0; i < 2; i++)
                workers[i] = (struct kt_worker){.tid = 70 + i,
                                                .work = (char *)"CpuSpin",
                                                .work_units = 5000,
                                                .iterations = 500,
                                                .wall_ns = 5000 * MS,
                                                .cpu_ns = 4000 * MS,
                                                .off_cpu_ns = 1000 * MS,
                                                .max_gap_ns = 10 * MS,
                                                .max_gap_cpu = 2,
                                                .max_gap_at_ns = 3200 * MS,
                                                .cpus_used = {.bits = {1 << 1}},
                                                .started_ns = 100 * MS,
                                                .stopped_ns = 5100 * MS};
        group = (struct kt_cgroup){.name = (char *)"cg_0",
                                   .started_ns = 100 * MS,
                                   .stopped_ns = 5100 * MS,
                                   .workers = workers,
                                   .n_workers = 2};
        scenario.checks = kt_checks_default(emulated);
        checks = &scenario.checks;
        /* Of one CPU. */
        load = (struct kt_workload){.cpus = {.bits = {1 << 1}},
                                    .started_ns = 100 * MS,
                                    .stopped_ns = 5100 * MS,
                                    .scenarios = &scenario,
                                    .n_scenarios = 1,
                                    .cgroups = &group,
                                    .n_cgroups = 1};
        delay_ns = 0;
}

static uint64_t host_delay(void *userdata, enum kt_delay of, uint64_t from_ns, uint64_t to_ns)
{
        asked_of = of;
        asked_from = from_ns;
        asked_to = to_ns;
        return delay_ns;
}

/* The first result of that name; without one its outcome is SKIP. */
static struct kt_check_result result(const char *name)
{
        struct kt_check_result *all = NULL, found = {.outcome = KT_SKIP};
        size_t n = 0;

        ck_assert_int_eq(kt_check_all(&load, host_delay, NULL, &all, &n), 0);
        for (size_t i = n; i-- > 0;)
                if (strcmp(all[i].name, name) == 0)
                        found = all[i];
        free(all);
        return found;
}

static void comes_out(const char *name, enum kt_outcome outcome, const char *text)
{
        struct kt_check_result r = result(name);

        ck_assert_msg(r.outcome == outcome, "%s is %d: %s", name, (int)r.outcome, r.text);
        ck_assert_str_eq(r.text, text);
}

START_TEST(a_sound_workload_passes_the_defaults)
{
        set_up(false);
        comes_out("not_starved", KT_PASS, "every worker made progress");
        comes_out("gap", KT_PASS, "longest gap 10ms (threshold 2000ms)");
        comes_out("spread", KT_PASS, "widest spread 0.0% (threshold 15%)");
        /* There is no cpuset, and the others are not asked for. */
        ck_assert_int_eq(result("isolation").outcome, KT_SKIP);
        ck_assert_int_eq(result("iteration_rate").outcome, KT_SKIP);
}
END_TEST

START_TEST(what_is_off_is_not_looked_at)
{
        struct kt_check_result *all = NULL;
        size_t n = 0;

        set_up(false);
        workers[0].work_units = 0;
        workers[0].max_gap_ns = 4500 * MS;
        checks->not_starved = checks->isolation = KTSTR_OFF;
        checks->max_gap_ms = checks->max_spread_pct = KTSTR_NONE;
        ck_assert_int_eq(kt_check_all(&load, NULL, NULL, &all, &n), 0);
        ck_assert_uint_eq(n, 0);
        free(all);
}
END_TEST

START_TEST(a_gap_has_its_place_and_threshold)
{
        set_up(true);
        workers[0].max_gap_ns = 4500 * MS;
        comes_out("gap", KT_FAIL, "tid 70 stuck 4500ms on cpu2 at +3200ms (threshold 3000ms)");
        ck_assert(result("gap").value == 4500);
        workers[0].max_gap_ns = 3000 * MS;
        comes_out("gap", KT_PASS, "longest gap 3000ms (threshold 3000ms)");
}
END_TEST

START_TEST(the_host_is_at_fault_from_the_missed_time_on)
{
        set_up(false);
        workers[1].max_gap_ns = 2500 * MS;
        delay_ns = 499 * MS;
        ck_assert_int_eq(result("gap").outcome, KT_FAIL);
        delay_ns = 500 * MS;
        comes_out("gap", KT_INCONCLUSIVE,
                  "tid 71 stuck 2500ms on cpu2 at +3200ms (threshold 2000ms); the host alone explains it");
        scenario.checks = (struct ktstr_checks){.max_gap_ms = 2000};
        ck_assert_int_eq(result("gap").outcome, KT_INCONCLUSIVE);
        ck_assert_uint_eq(asked_from, 800 * MS);
        ck_assert_uint_eq(asked_to, 3300 * MS);
        ck_assert_int_eq(asked_of, KT_DELAY_OF_ONE);
}
END_TEST

/* The worker has taken it off already. */
START_TEST(time_in_which_it_was_frozen_excuses_no_other_gap)
{
        set_up(false);
        workers[0].max_gap_ns = 2001 * MS;
        workers[0].paused_ns = 3000 * MS;
        ck_assert_int_eq(result("gap").outcome, KT_FAIL);
}
END_TEST

START_TEST(a_starved_worker_fails)
{
        set_up(false);
        workers[1].work_units = 0;
        comes_out("not_starved", KT_FAIL, "tid 71 starved (0 work units)");
        delay_ns = 5000 * MS;
        comes_out("not_starved", KT_INCONCLUSIVE,
                  "tid 71 starved (0 work units); the host alone explains it");
        workers[1].paused_ns = 5000 * MS;
        comes_out("not_starved", KT_PASS, "every worker made progress");
}
END_TEST

START_TEST(who_waits_for_a_turn_among_many_is_not_starved)
{
        set_up(true);
        /* Two on one CPU have a round of 40 ms. */
        workers[1].work_units = 0;
        workers[1].stopped_ns = workers[1].started_ns + 39 * MS;
        comes_out("not_starved", KT_INCONCLUSIVE,
                  "tid 71 starved (0 work units); with so many workers a round takes up to 40ms");
        workers[1].stopped_ns = workers[1].started_ns + 40 * MS;
        ck_assert_int_eq(result("not_starved").outcome, KT_FAIL);
}
END_TEST

START_TEST(those_of_another_step_are_not_in_the_way)
{
        struct kt_cgroup both[2];

        set_up(true);
        both[0] = both[1] = group;
        load.cgroups = both;
        load.n_cgroups = 2;
        workers[1].work_units = 0;
        workers[1].stopped_ns = workers[1].started_ns + 60 * MS;
        ck_assert_int_eq(result("not_starved").outcome, KT_INCONCLUSIVE);
        both[1].started_ns = 6000 * MS;
        both[1].stopped_ns = 9000 * MS;
        ck_assert_int_eq(result("not_starved").outcome, KT_FAIL);
}
END_TEST

START_TEST(spread_is_of_off_cpu_shares)
{
        set_up(true);
        workers[0].off_cpu_ns = 400 * MS;
        workers[1].off_cpu_ns = 2500 * MS;
        comes_out("spread", KT_FAIL,
                  "unfair cgroup: spread=42% (8-50%) 2 workers on 1 cpus (threshold 35%) in cg_0");
        delay_ns = 349 * MS;
        ck_assert_int_eq(result("spread").outcome, KT_FAIL);
        delay_ns = 350 * MS;
        ck_assert_int_eq(result("spread").outcome, KT_INCONCLUSIVE);
        delay_ns = 0;
        workers[1].off_cpu_ns = 2150 * MS;
        comes_out("spread", KT_PASS, "widest spread 35.0% (threshold 35%)");
}
END_TEST

START_TEST(frozen_time_is_not_off_cpu)
{
        set_up(false);
        workers[1].off_cpu_ns += 2000 * MS;
        workers[1].wall_ns += 2000 * MS;
        ck_assert_int_eq(result("spread").outcome, KT_FAIL);
        workers[1].paused_ns = 2000 * MS;
        ck_assert_int_eq(result("spread").outcome, KT_PASS);
}
END_TEST

START_TEST(spread_is_among_those_that_do_the_same)
{
        set_up(true);
        workers[0].off_cpu_ns = 400 * MS;
        workers[1].off_cpu_ns = 2500 * MS;
        workers[1].work = (char *)"Bursty";
        ck_assert_int_eq(result("spread").outcome, KT_PASS);
        ck_assert(kt_cgroup_spread_pct(&group) == 0);
        workers[1].work = workers[0].work;
        ck_assert(kt_cgroup_spread_pct(&group) == 42);
}
END_TEST

START_TEST(roles_are_compared_each_for_itself)
{
        static struct kt_worker team[4];

        set_up(true);
        checks->max_throughput_cv = 0.5;
        for (unsigned i = 0; i < KT_ARRAY_SIZE(team); i++) {
                team[i] = workers[0];
                team[i].role = (char *)(i % 2 ? "receiver" : "messenger");
                team[i].off_cpu_ns = i % 2 ? 4000 * MS : 400 * MS;
                team[i].work_units = i % 2 ? 50 : 50000;
        }
        group.workers = team;
        group.n_workers = KT_ARRAY_SIZE(team);
        comes_out("spread", KT_PASS, "widest spread 0.0% (threshold 35%)");
        comes_out("throughput", KT_PASS, "highest throughput CV 0.000 (limit 0.500)");
        ck_assert(kt_cgroup_spread_pct(&group) == 0);
        team[3].off_cpu_ns = 400 * MS;
        team[3].work_units = 5000;
        comes_out(
                "spread", KT_FAIL,
                "unfair cgroup: spread=72% (8-80%) 2 workers as receiver on 1 cpus (threshold 35%) in cg_0");
        comes_out("throughput", KT_FAIL,
                  "throughput CV 0.980 exceeds limit 0.500 (cg_0 as receiver, mean=505 work/s)");
        ck_assert(kt_cgroup_spread_pct(&group) == 72);
}
END_TEST

START_TEST(the_spread_of_a_moment_cannot_be_told)
{
        set_up(true);
        workers[0].off_cpu_ns = 400 * MS;
        workers[1].off_cpu_ns = 2500 * MS;
        group.stopped_ns = group.started_ns + 999 * MS;
        comes_out("spread", KT_INCONCLUSIVE,
                  "spread=42% (threshold 35%), but a workload of 999 ms is too short to tell");
}
END_TEST

START_TEST(cpus_that_a_scheduler_leaves_idle_excuse_nobody)
{
        static struct kt_worker many[256];

        set_up(true);
        for (unsigned i = 0; i < KT_ARRAY_SIZE(many); i++)
                many[i] = workers[0];
        many[255].work_units = 0;
        group.workers = many;
        group.n_workers = KT_ARRAY_SIZE(many);
        /* On one CPU a round takes longer than all of it, on the eight that there are it does not. */
        comes_out("not_starved", KT_INCONCLUSIVE,
                  "tid 70 starved (0 work units); with so many workers a round takes up to 5120ms");
        load.cpus.bits[0] = 0xff;
        comes_out("not_starved", KT_FAIL, "tid 70 starved (0 work units)");
        /* Unless it was not to use the others, by its cpuset or its affinity. */
        group.has_cpus = true;
        group.cpus.bits[0] = 1 << 1;
        ck_assert_int_eq(result("not_starved").outcome, KT_INCONCLUSIVE);
        group.cpus.bits[0] = 0xff;
        for (unsigned i = 0; i < KT_ARRAY_SIZE(many); i++) {
                many[i].has_cpus = i > 0;
                many[i].cpus.bits[0] = 1 << 1;
        }
        many[255].stopped_ns = many[255].started_ns + 5100 * MS;
        comes_out("not_starved", KT_FAIL, "tid 70 starved (0 work units)");
        many[255].stopped_ns = many[255].started_ns + 5000 * MS;
        comes_out("not_starved", KT_INCONCLUSIVE,
                  "tid 70 starved (0 work units); with so many workers a round takes up to 5100ms");
}
END_TEST

START_TEST(who_ended_by_itself_is_no_measure)
{
        set_up(false);
        checks->min_work_rate = checks->min_iteration_rate = 10;
        checks->max_throughput_cv = 0.1;
        workers[0].work_units = workers[0].iterations = workers[0].cpu_ns = 0;
        workers[0].off_cpu_ns = workers[0].wall_ns;
        ck_assert_int_eq(result("not_starved").outcome, KT_FAIL);
        workers[0].exit = (char *)"signal 11";
        ck_assert_int_eq(result("not_starved").outcome, KT_PASS);
        comes_out("spread", KT_PASS, "widest spread 0.0% (threshold 15%)");
        ck_assert(kt_cgroup_spread_pct(&group) == 0);
        ck_assert_int_eq(result("work_rate").outcome, KT_PASS);
        ck_assert_int_eq(result("iteration_rate").outcome, KT_PASS);
        comes_out("throughput", KT_INCONCLUSIVE,
                  "throughput CV: in no cgroup did two workers of one work and role get anything done");
}
END_TEST

START_TEST(isolation_needs_a_cpuset_that_held)
{
        set_up(false);
        group.has_cpus = true;
        group.cpus = (struct ktstr_cpus){.bits = {1 << 0}};
        ck_assert_int_eq(result("isolation").outcome, KT_SKIP);
        group.isolated = true;
        comes_out("isolation", KT_FAIL, "tid 70 of cg_0 ran on cpu1, outside its cpuset");
        delay_ns = 5000 * MS;
        ck_assert_int_eq(result("isolation").outcome, KT_FAIL);
        group.cpus = (struct ktstr_cpus){.bits = {1 << 1}};
        comes_out("isolation", KT_PASS, "every worker stayed in its cpuset");
}
END_TEST

START_TEST(throughput_is_compared_within_a_work)
{
        set_up(false);
        checks->max_throughput_cv = 0.5;
        workers[0].work_units = 7500;
        workers[1].work_units = 2500;
        comes_out("throughput", KT_PASS, "highest throughput CV 0.500 (limit 0.500)");
        workers[1].work_units = 2000;
        comes_out("throughput", KT_FAIL, "throughput CV 0.579 exceeds limit 0.500 (cg_0, mean=950 work/s)");
        ck_assert_int_eq(asked_of, KT_DELAY_OF_ALL);
        delay_ns = 400 * MS;
        ck_assert_int_eq(result("throughput").outcome, KT_INCONCLUSIVE);
        workers[1].work = (char *)"Bursty";
        comes_out("throughput", KT_INCONCLUSIVE,
                  "throughput CV: in no cgroup did two workers of one work and role get anything done");
}
END_TEST

START_TEST(rates_have_a_floor)
{
        set_up(false);
        checks->min_work_rate = 1000;
        checks->min_iteration_rate = 100;
        comes_out("work_rate", KT_PASS, "lowest throughput 1000 work/s (floor 1000)");
        comes_out("iteration_rate", KT_PASS, "lowest iteration rate 100.0/s (floor 100.0/s)");
        workers[1].work_units = 4000;
        workers[1].iterations = 450;
        comes_out("work_rate", KT_FAIL, "worker 71 throughput 800 work/s below floor 1000");
        comes_out("iteration_rate", KT_FAIL, "worker 71 iteration rate 90.0/s below floor 100.0/s");
        delay_ns = 500 * MS;
        ck_assert_int_eq(result("work_rate").outcome, KT_FAIL);
        ck_assert_int_eq(result("iteration_rate").outcome, KT_INCONCLUSIVE);
        /* What it had no time for it is not asked for. */
        workers[1].paused_ns = 1000 * MS;
        ck_assert_int_eq(result("work_rate").outcome, KT_PASS);
}
END_TEST

START_TEST(wake_ups_are_held_to_their_99th_percentile)
{
        set_up(false);
        checks->max_p99_wake_latency_ns = 1000000;
        checks->max_wake_latency_cv = 2;
        comes_out("wake_latency", KT_INCONCLUSIVE,
                  "p99 wake latency: no wake-ups were measured; FutexFanOut, TimerLatency and Schbench "
                  "measure them");
        ck_assert_int_eq(result("wake_latency_cv").outcome, KT_INCONCLUSIVE);
        group.wakes = (struct kt_wakes){
                .count = 512, .p50_ns = 40000, .p99_ns = 1000000, .max_ns = 2000000, .cv = 2};
        comes_out("wake_latency", KT_PASS, "highest p99 wake latency 1000000ns (limit 1000000ns)");
        comes_out("wake_latency_cv", KT_PASS, "highest wake latency CV 2.000 (limit 2.000)");
        group.wakes.p99_ns = 1200000;
        group.wakes.cv = 2.5;
        comes_out("wake_latency", KT_FAIL,
                  "p99 wake latency 1200000ns exceeds limit 1000000ns (cg_0, 512 samples)");
        comes_out("wake_latency_cv", KT_FAIL,
                  "wake latency CV 2.500 exceeds limit 2.000 (cg_0, 512 samples)");
        /* Six were too late, each by 200 us. */
        delay_ns = 1199999;
        ck_assert_int_eq(result("wake_latency").outcome, KT_FAIL);
        delay_ns = 1200000;
        ck_assert_int_eq(result("wake_latency").outcome, KT_INCONCLUSIVE);
        ck_assert_int_eq(asked_of, KT_DELAY_OF_ALL);
}
END_TEST

START_TEST(migrations_are_counted_by_iterations)
{
        set_up(false);
        checks->max_migration_ratio = 0.1;
        workers[0].migrations = 100;
        comes_out("migration_ratio", KT_PASS, "highest migration ratio 0.1000 (limit 0.1000)");
        workers[0].migrations = 101;
        delay_ns = 5000 * MS;
        comes_out("migration_ratio", KT_FAIL,
                  "migration ratio 0.1010 exceeds limit 0.1000 (cg_0, 101 migrations in 1000 iterations)");
        workers[0].iterations = workers[1].iterations = 0;
        comes_out("migration_ratio", KT_INCONCLUSIVE, "migration ratio: there were no iterations");
        checks->max_migration_ratio = KTSTR_ZERO;
        workers[0].iterations = 1000;
        workers[0].migrations = 0;
        comes_out("migration_ratio", KT_PASS, "highest migration ratio 0.0000 (limit 0.0000)");
        workers[0].migrations = 1;
        ck_assert_int_eq(result("migration_ratio").outcome, KT_FAIL);
}
END_TEST

START_TEST(pages_have_shares)
{
        set_up(false);
        checks->min_page_locality = 0.9;
        checks->max_cross_node_migration_ratio = 0.05;
        checks->max_slow_tier_ratio = KTSTR_ZERO;
        comes_out("page_locality", KT_INCONCLUSIVE, "page locality: no worker took a page of its own");
        comes_out("cross_node_migration", KT_INCONCLUSIVE,
                  "cross-node migration ratio: no worker took a page of its own");
        comes_out("slow_tier", KT_INCONCLUSIVE, "slow tier ratio: no worker took a page of its own");
        group.pages = (struct kt_pages){.total = 100, .local = 90, .migrated = 5};
        comes_out("page_locality", KT_PASS, "lowest page locality 0.9000 (floor 0.9000)");
        comes_out("cross_node_migration", KT_PASS,
                  "highest cross-node migration ratio 0.0500 (limit 0.0500)");
        comes_out("slow_tier", KT_PASS, "highest slow tier ratio 0.0000 (limit 0.0000)");
        group.pages = (struct kt_pages){.total = 100, .local = 89, .slow = 1, .migrated = 6};
        comes_out("page_locality", KT_FAIL,
                  "page locality 0.8900 below floor 0.9000 (cg_0, 89 of 100 pages)");
        comes_out("cross_node_migration", KT_FAIL,
                  "cross-node migration ratio 0.0600 exceeds limit 0.0500 (cg_0, 6 of 100 pages)");
        comes_out("slow_tier", KT_FAIL,
                  "slow tier ratio 0.0100 exceeds limit 0.0000 (cg_0, 1 of 100 pages)");
}
END_TEST

START_TEST(each_scenario_has_its_own_thresholds)
{
        struct kt_scenario two[2];
        struct kt_cgroup both[2];

        set_up(false);
        both[0] = both[1] = group;
        both[1].scenario = 1;
        two[0].checks = two[1].checks = scenario.checks;
        load.scenarios = two;
        load.n_scenarios = 2;
        load.cgroups = both;
        load.n_cgroups = 2;
        two[0].checks.min_iteration_rate = 50;
        comes_out("iteration_rate", KT_PASS, "lowest iteration rate 100.0/s (floor 50.0/s)");
        two[1].checks.min_iteration_rate = 90;
        comes_out("iteration_rate", KT_PASS, "lowest iteration rate 100.0/s (floor 90.0/s)");
        two[1].checks.min_iteration_rate = 110;
        comes_out("iteration_rate", KT_FAIL, "worker 70 iteration rate 100.0/s below floor 110.0/s");
}
END_TEST

/* A thousand misses are no thousand lines, and none that counts more is lost among them. */
START_TEST(of_many_misses_some_are_told)
{
        enum { N = 1000 };
        struct kt_worker *many = calloc(N, sizeof(*many));
        struct kt_check_result *all = NULL;
        size_t n = 0, fails = 0;

        set_up(false);
        checks->max_spread_pct = checks->max_gap_ms = KTSTR_NONE;
        for (int i = 0; i < N; i++) {
                many[i] = workers[0];
                many[i].work_units = 0;
                many[i].tid = i;
                /* All but the last are excused by a round that takes that long. */
                many[i].stopped_ns = many[i].started_ns + (i < N - 1 ? 10 : 100000) * MS;
        }
        group.workers = many;
        group.n_workers = N;
        ck_assert_int_eq(kt_check_all(&load, NULL, NULL, &all, &n), 0);
        ck_assert_uint_eq(n, KT_CHECK_MISSES_MAX);
        for (size_t i = 0; i < n; i++)
                if (all[i].outcome == KT_FAIL) {
                        ck_assert_ptr_nonnull(strstr(all[i].text, "tid 999 starved"));
                        fails++;
                }
        ck_assert_uint_eq(fails, 1);
        ck_assert_ptr_nonnull(strstr(all[n - 1].text, "and 968 more like these"));
        free(all);
        free(many);
}
END_TEST

UNIT_MAIN("check", a_sound_workload_passes_the_defaults, what_is_off_is_not_looked_at,
          a_gap_has_its_place_and_threshold, the_host_is_at_fault_from_the_missed_time_on,
          time_in_which_it_was_frozen_excuses_no_other_gap, a_starved_worker_fails,
          who_waits_for_a_turn_among_many_is_not_starved, those_of_another_step_are_not_in_the_way,
          spread_is_of_off_cpu_shares, frozen_time_is_not_off_cpu, spread_is_among_those_that_do_the_same,
          roles_are_compared_each_for_itself, the_spread_of_a_moment_cannot_be_told,
          cpus_that_a_scheduler_leaves_idle_excuse_nobody, who_ended_by_itself_is_no_measure,
          isolation_needs_a_cpuset_that_held, throughput_is_compared_within_a_work, rates_have_a_floor,
          wake_ups_are_held_to_their_99th_percentile, migrations_are_counted_by_iterations,
          pages_have_shares, each_scenario_has_its_own_thresholds, of_many_misses_some_are_told)
