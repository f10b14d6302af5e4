/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests whose schedulers die, each in its way. */
#include <ktstr.h>

#define SMALL .binary = "scx_ktstr", .topology = {.llcs = 1, .cores = 2}

KTSTR_SCHEDULER(crashing, .name = "crashing", SMALL, .sched_args = KTSTR_LIST("--crash-after", "0.5"));
KTSTR_SCHEDULER(stalling, .name = "stalling", SMALL, .sched_args = KTSTR_LIST("--stall-after", "0.5"));
KTSTR_SCHEDULER(killed, .name = "killed", SMALL, .sched_args = KTSTR_LIST("--kill-after", "0.5"));

/* Time enough to be seen attached. */
KTSTR_SCHEDULER(builtin, .name = "builtin", .topology = {.llcs = 1, .cores = 2},
                .kernel_builtin_enable = KTSTR_LIST(
                        "/include-files/scx_ktstr --crash-after 3 >/dev/null 2>&1 & "
                        "until grep -q enabled /sys/kernel/sched_ext/state; do sleep 0.05; done"),
                .kernel_builtin_disable = KTSTR_LIST("true"));

/* On a host that is busy a task waits long, too. */
#define PATIENT .watchdog_timeout_s = 30
/* Whoever ends first, it is the scheduler. */
#define LONG .duration_s = 60, .max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE

KTSTR_TEST(crashes, .scheduler = &crashing, PATIENT, LONG)
{
        return ktstr_scenario_steady(ctx);
}

/* The host is blamed for a stall when it holds a worker back for half of the timeout. */
KTSTR_TEST(stalls, .scheduler = &stalling, .watchdog_timeout_s = 8, LONG)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(is_killed, .scheduler = &killed, PATIENT, LONG)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(crashes_once, .scheduler = &crashing, .auto_repro = KTSTR_OFF, PATIENT, LONG)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(builtin_crashes, .scheduler = &builtin,
           .extra_include_files = KTSTR_LIST("../../scheds/scx_ktstr"), LONG)
{
        return ktstr_scenario_steady(ctx);
}
