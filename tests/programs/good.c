/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program with every kind of declaration that is right, and as much of each as can be said at once. */
#include <ktstr.h>

KTSTR_SCHEDULER(plain, .name = "plain", .binary = "scx_plain");

KTSTR_SCHEDULER(full, .name = "full", .binary_path = "../scheds/scx_full",
                .topology = {.numa_nodes = 1, .llcs = 2, .cores = 4, .threads = 1},
                .kernels = KTSTR_LIST("6.14", "6.15..=7.0"), .sched_args = KTSTR_LIST("--slice", "5", ""),
                .kargs = KTSTR_LIST("threadirqs", "sched_verbose"),
                .sysctls = KTSTR_SYSCTLS({"kernel.sched_autogroup_enabled", "0"}),
                .constraints = {.min_llcs = 2, .requires_smt = KTSTR_ON, .max_cpus = KTSTR_NONE},
                .cgroup_parent = "/cells/a", .config_file = "full.json",
                .checks = {.max_gap_ms = 1500.5, .isolation = KTSTR_OFF, .max_migration_ratio = KTSTR_ZERO});

KTSTR_SCHEDULER(each_config, .name = "each_config", .binary = "scx_plain", .config_arg = "--config={file}",
                .config_guest_path = "/include-files/layers.json");

KTSTR_SCHEDULER(builtin, .name = "builtin", .kernel_builtin_enable = KTSTR_LIST("echo 1 >/sys/kernel/x"),
                .kernel_builtin_disable = KTSTR_LIST("echo 0 >/sys/kernel/x"));

KTSTR_TEST(under_eevdf)
{
        return ctx->scheduler ? KTSTR_FAIL : KTSTR_PASS;
}

static const struct ktstr_payload bench = {
        .name = "bench",
        .binary = "bench",
        .args = KTSTR_LIST("-r", "5"),
        .output = KTSTR_OUTPUT_JSON,
        .metrics = KTSTR_METRICS({"p99_us", .json = "/wakeup/p99", .unit = "us", .polarity = KTSTR_LOWER},
                                 {"rps", .pattern = "avg rps: ([0-9.]+)"}),
        .checks = KTSTR_PAYLOAD_CHECKS({"p99_us", KTSTR_CHECK_MAX, .max = 500},
                                       {.kind = KTSTR_CHECK_EXIT_CODE, .min = 0}),
        .include_files = KTSTR_LIST("bench.conf"),
};
static const struct ktstr_payload bare = {.name = "bare", .binary = "/bin/true"};

KTSTR_TEST(everything, .scheduler = &full, .extra_sched_args = KTSTR_LIST("--verbose"), .llcs = 4,
           .threads = 2, .memory_mib = 1024, .duration_s = 2.5, .workers_per_cgroup = 3,
           .watchdog_timeout_s = 4, .timeout_s = 90, .cleanup_budget_ms = 5000, .payload = &bench,
           .workloads = KTSTR_PAYLOADS(&bare), .extra_include_files = KTSTR_LIST("data/one"),
           .bpf_map_write = KTSTR_MAP_WRITES(
                   {.field = "stall", .value = -1},
                   {.field = "a.b[3][0].c", .value = INT64_MAX, .map = ".data", .at_ms = 250}),
           .expect_err = KTSTR_ON, .expect_scx_bpf_error_contains = "host-triggered",
           .expect_scx_bpf_error_matches = "^(?m)EXIT: .+", .max_llcs = 8, .max_spread_pct = KTSTR_NONE,
           .auto_repro = KTSTR_OFF, .not_starved = KTSTR_OFF, .min_page_locality = 1)
{
        return KTSTR_PASS;
}

KTSTR_TEST(spelled_out, .scheduler = &plain, .constraints = {.min_cpus = 4}, .checks = {.max_gap_ms = 900})
{
        return KTSTR_PASS;
}

KTSTR_TEST(own_config, .scheduler = &each_config, .config = "layers/one.json")
{
        return KTSTR_PASS;
}

KTSTR_TEST(in_kernel, .scheduler = &builtin, .ignore = true)
{
        return KTSTR_PASS;
}

KTSTR_TEST(on_host, .host_only = KTSTR_ON)
{
        return KTSTR_PASS;
}

KTSTR_TEST(fast, .scheduler = &plain, .performance_mode = true)
{
        return KTSTR_PASS;
}

KTSTR_TEST(frugal, .no_perf_mode = true, .cpu_budget = 2)
{
        return KTSTR_PASS;
}

KTSTR_TEST(demo_shown)
{
        return KTSTR_PASS;
}

KTSTR_TEST(demo_run, .ignore = KTSTR_OFF)
{
        return KTSTR_PASS;
}
