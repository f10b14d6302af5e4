/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that are declared wrong. Above each stands what has to be found: "field: a part of the message". */
#include <ktstr.h>

KTSTR_SCHEDULER(fine, .name = "fine", .binary = "scx_fine", .topology = {.numa_nodes = 2, .llcs = 4});
KTSTR_SCHEDULER(each_config, .name = "each_config", .binary = "scx_fine", .config_arg = "--config={file}",
                .config_guest_path = "/x.json");
KTSTR_SCHEDULER(builtin, .name = "builtin", .kernel_builtin_enable = KTSTR_LIST("true"),
                .kernel_builtin_disable = KTSTR_LIST("true"));
KTSTR_SCHEDULER(narrow, .name = "narrow", .binary = "scx_fine", .constraints = {.max_llcs = 4});

static const struct ktstr_scheduler by_hand = {.name = "by_hand", .binary = "scx_fine"};

#define TEST(name, ...)                                                                                     \
        KTSTR_TEST(name, __VA_ARGS__)                                                                       \
        {                                                                                                   \
                return KTSTR_PASS;                                                                          \
        }

/* scheduler: is none that was declared with KTSTR_SCHEDULER */
TEST(scheduler_by_hand, .scheduler = &by_hand)

/* llcs: 3 is not a multiple of numa_nodes, which is 2 */
TEST(odd_llcs, .numa_nodes = 2, .llcs = 3)

/* llcs: 3 is not a multiple of numa_nodes, which is 2 */
TEST(odd_llcs_over_the_schedulers_nodes, .scheduler = &fine, .llcs = 3)

/* threads: is -1, and has to be more than 0 */
/* numa_nodes: is -1, and has to be more than 0 */
TEST(negative_threads, .threads = -1, .numa_nodes = -1)

/* memory_mib: is -1, and has to be more than 0 */
TEST(negative_memory, .memory_mib = KTSTR_NONE)

/* memory_mib: is 127, and has to be from 128 to 4194304 */
/* workers_per_cgroup: is 1025, and has to be from 1 to 1024 */
TEST(too_little_and_too_much, .memory_mib = 127, .workers_per_cgroup = 1025)

TEST(just_enough, .memory_mib = 128, .workers_per_cgroup = 1024, .llcs = 5, .cores = 51)

/* cores: 4 LLCs of 64 cores of 1 threads are more CPUs than the 255 */
TEST(too_many_cpus, .scheduler = &fine, .cores = 64)

/* duration_s: is -2.5, and has to be more than 0 */
TEST(negative_duration, .duration_s = -2.5)

/* duration_s: is 1e-300, and has to be from a millisecond to a day */
TEST(no_duration, .duration_s = KTSTR_ZERO)

/* duration_s: is 100000, and has to be from a millisecond to a day */
TEST(too_long, .duration_s = 100000)

/* workers_per_cgroup: is -3, and has to be more than 0 */
TEST(negative_workers, .workers_per_cgroup = -3)

/* watchdog_timeout_s: is inf, and has to be more than 0, or KTSTR_NONE */
/* watchdog_timeout_s: is inf, and has to be from a millisecond to the 30 seconds */
TEST(endless_watchdog, .scheduler = &fine, .watchdog_timeout_s = __builtin_inf())

/* watchdog_timeout_s: is 30.5, and has to be from a millisecond to the 30 seconds */
TEST(slow_watchdog, .scheduler = &fine, .watchdog_timeout_s = 30.5)

/* watchdog_timeout_s: is 1e-300, and has to be from a millisecond to the 30 seconds */
TEST(hasty_watchdog, .scheduler = &fine, .watchdog_timeout_s = KTSTR_ZERO)

/* watchdog_timeout_s: is -2, and has to be more than 0, or KTSTR_NONE */
TEST(negative_watchdog, .scheduler = &fine, .watchdog_timeout_s = -2)

/* watchdog_timeout_s: is for a scheduler, and this test has none */
TEST(watchdog_of_none, .watchdog_timeout_s = 5)

TEST(no_watchdog_of_ours, .scheduler = &fine, .watchdog_timeout_s = KTSTR_NONE)

/* timeout_s: is -1, and has to be more than 0 */
TEST(negative_timeout, .timeout_s = -1)

/* timeout_s: is 3, and has to be longer than the duration (5) and at most two days */
TEST(timeout_too_short, .timeout_s = 3)

/* cleanup_budget_ms: is -1, and has to be more than 0 */
TEST(negative_budget, .cleanup_budget_ms = -1)

/* host_only: tests run on the host, where no scheduler is started */
TEST(host_only_under_a_scheduler, .scheduler = &fine, .host_only = KTSTR_ON)

/* performance_mode: is the opposite of .no_perf_mode */
TEST(fast_and_not, .performance_mode = KTSTR_ON, .no_perf_mode = KTSTR_ON)

TEST(spelled_out, .performance_mode = KTSTR_ON, .no_perf_mode = KTSTR_OFF)

/* performance_mode: is for a guest, and a .host_only test has none */
TEST(fast_on_the_host, .host_only = KTSTR_ON, .performance_mode = KTSTR_ON)

/* cpu_budget: needs .no_perf_mode = KTSTR_ON */
TEST(budget_alone, .cpu_budget = 2)

/* cpu_budget: needs .no_perf_mode = KTSTR_ON */
TEST(budget_of_a_fast_one, .performance_mode = KTSTR_ON, .cpu_budget = 2)

/* cpu_budget: is for a guest, and a .host_only test has none */
TEST(budget_on_the_host, .host_only = KTSTR_ON, .no_perf_mode = KTSTR_ON, .cpu_budget = 2)

/* cpu_budget: is -1, and has to be more than 0 */
TEST(budget_of_less_than_nothing, .no_perf_mode = KTSTR_ON, .cpu_budget = -1)

/* cpu_budget: is 1025, and has to be from 1 to 1024 */
TEST(budget_of_too_many, .no_perf_mode = KTSTR_ON, .cpu_budget = 1025)

/* ignore: is 9, and has to be KTSTR_ON or KTSTR_OFF */
TEST(odd_switch, .ignore = (enum ktstr_switch)9)

/* config: is for a scheduler that has .config_arg and .config_guest_path, and this test's has not */
TEST(config_for_nothing, .scheduler = &fine, .config = "a.json")

/* config: and this test has none */
TEST(config_without_scheduler, .config = "a.json")

/* config: is not set: scheduler each_config has .config_arg */
TEST(config_missing, .scheduler = &each_config)

/* extra_sched_args: are for a scheduler's program, and this test has none */
TEST(args_for_nothing, .extra_sched_args = KTSTR_LIST("-v"))

/* extra_sched_args: are for a scheduler's program, and this test has none */
TEST(args_for_builtin, .scheduler = &builtin, .extra_sched_args = KTSTR_LIST("-v"))

/* bpf_map_write: is for a scheduler's program, and this test has none */
TEST(write_for_nothing, .bpf_map_write = KTSTR_MAP_WRITES({.field = "stall", .value = 1}))

/* bpf_map_write: is for a scheduler's program, and this test has none */
TEST(write_for_builtin, .scheduler = &builtin,
     .bpf_map_write = KTSTR_MAP_WRITES({.field = "stall", .value = 1}))

/* bpf_map_write: is an empty list: leave it unset */
TEST(write_of_nothing, .scheduler = &fine, .bpf_map_write = KTSTR_MAP_WRITES({NULL}))

/* bpf_map_write[1].field: is not set */
TEST(write_to_nothing, .scheduler = &fine,
     .bpf_map_write = KTSTR_MAP_WRITES({.field = "stall", .value = 1}, {.value = 1}))

/* bpf_map_write[0].field: '' is no global variable: it is like stall, stats.nr_queued or hist[3] */
/* bpf_map_write[1].field: 'a b' is no global variable */
/* bpf_map_write[2].field: '3a' is no global variable */
/* bpf_map_write[3].field: 'a.' is no global variable */
/* bpf_map_write[4].field: 'a[i]' is no global variable */
/* bpf_map_write[5].field: 'a[1' is no global variable */
/* bpf_map_write[6].field: 'a[]' is no global variable */
/* bpf_map_write[7].map: is empty */
/* bpf_map_write[8].at_ms: is more than a day */
TEST(odd_writes, .scheduler = &fine,
     .bpf_map_write = KTSTR_MAP_WRITES({""}, {"a b"}, {"3a"}, {"a."}, {"a[i]"}, {"a[1"}, {"a[]"},
                                       {"a", .map = ""}, {"a", .at_ms = UINT64_MAX}))

/* extra_include_files: is empty */
TEST(empty_include, .extra_include_files = KTSTR_LIST("a", ""))

/* expect_err: is for a scheduler's error, and this test has none */
TEST(error_of_none, .expect_err = KTSTR_ON)

/* auto_repro: is for a scheduler that dies unexpectedly, and this test has none */
TEST(repro_of_none, .auto_repro = KTSTR_ON)

/* auto_repro: is for a scheduler that dies unexpectedly, and .expect_err is set */
TEST(repro_of_what_is_expected, .scheduler = &fine, .expect_err = KTSTR_ON, .auto_repro = KTSTR_ON)

/* auto_repro: is 7, and has to be KTSTR_ON or KTSTR_OFF */
TEST(odd_repro, .scheduler = &fine, .auto_repro = (enum ktstr_switch)7)

TEST(no_repro_of_none, .auto_repro = KTSTR_OFF)

/* expect_scx_bpf_error_contains: needs .expect_err = KTSTR_ON */
TEST(contains_alone, .scheduler = &fine, .expect_scx_bpf_error_contains = "x")

/* expect_scx_bpf_error_matches: needs .expect_err = KTSTR_ON */
TEST(matches_alone, .scheduler = &fine, .expect_err = KTSTR_OFF, .expect_scx_bpf_error_matches = "x")

/* expect_scx_bpf_error_contains: is empty */
TEST(empty_contains, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_contains = "")

/* expect_scx_bpf_error_matches: is empty */
TEST(empty_matches, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_matches = "")

/* expect_scx_bpf_error_matches: the pattern '.*' matches the empty text */
TEST(matches_all, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_matches = ".*")

/* expect_scx_bpf_error_matches: the pattern 'a?' matches the empty text */
TEST(matches_anything, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_matches = "a?")

/* expect_scx_bpf_error_matches: the pattern '^$' matches the empty text */
TEST(matches_nothing, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_matches = "^$")

/* expect_scx_bpf_error_matches: the pattern 'a(b' does not compile: missing closing parenthesis */
TEST(no_pattern, .scheduler = &fine, .expect_err = KTSTR_ON, .expect_scx_bpf_error_matches = "a(b")

/* min_cpus: 16 is more than max_cpus, which is 8 */
TEST(no_preset, .min_cpus = 16, .max_cpus = 8)

/* min_llcs: 8 is more than max_llcs, which is 4 */
TEST(no_preset_with_the_scheduler, .scheduler = &narrow, .min_llcs = 8)

/* min_numa_nodes: 2 is more than max_numa_nodes, which is 1 */
TEST(no_preset_by_default, .min_numa_nodes = 2)

TEST(no_bound, .min_numa_nodes = 2, .max_numa_nodes = KTSTR_NONE)

/* max_gap_ms: is -2, and has to be more than 0 */
/* max_slow_tier_ratio: is 1.5, and has to be more than 0 and at most 1, */
TEST(odd_checks, .max_gap_ms = -2, .max_slow_tier_ratio = 1.5)

/* payload.name: is not set */
/* payload.binary: is not set */
TEST(empty_payload, .payload = &(const struct ktstr_payload){.args = KTSTR_LIST("-r")})

static const struct ktstr_payload odd_payload = {
        .name = "odd",
        .binary = "odd",
        .metrics = KTSTR_METRICS({"both", .json = "/a", .pattern = "(b)"}, {"neither"},
                                 {"bare", .pattern = "abc"}, {"broken", .pattern = "("},
                                 {"bare", .pattern = "(d)"}),
        .checks = KTSTR_PAYLOAD_CHECKS(
                {"absent", KTSTR_CHECK_MAX, .max = 1}, {NULL, KTSTR_CHECK_MIN, .min = 1},
                {"bare", KTSTR_CHECK_RANGE, .min = 2, .max = 1}, {"bare", KTSTR_CHECK_EXIT_CODE},
                {NULL, KTSTR_CHECK_EXIT_CODE, .min = 256}, {"bare", 0}),
};

/* workloads[0].metrics[0]: both needs one of .json and .pattern */
/* workloads[0].metrics[0]: both is read by .json, which needs .output = KTSTR_OUTPUT_JSON */
/* workloads[0].metrics[1]: neither needs one of .json and .pattern */
/* workloads[0].metrics[2]: the pattern 'abc' has no group */
/* workloads[0].metrics[3]: broken: the pattern '(' does not compile */
/* workloads[0].metrics[4]: there is another metric 'bare' */
/* workloads[0].checks[0]: there is no metric 'absent' */
/* workloads[0].checks[1]: names no metric */
/* workloads[0].checks[2]: the range goes from 2 down to 1 */
/* workloads[0].checks[3]: is of the exit code, and names the metric 'bare' */
/* workloads[0].checks[4]: an exit code is from 0 to 255, not 256 */
/* workloads[0].checks[5]: is of no kind that there is */
TEST(payload_of_all_that_is_wrong, .workloads = KTSTR_PAYLOADS(&odd_payload))

static const struct ktstr_payload odd_pointer = {.name = "odd",
                                                 .binary = "odd",
                                                 .output = KTSTR_OUTPUT_JSON,
                                                 .metrics = KTSTR_METRICS({"m", .json = "a/b"})};

/* payload.metrics[0]: 'a/b' is no JSON pointer */
TEST(payload_with_odd_pointer, .payload = &odd_pointer)
