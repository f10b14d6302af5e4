/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schedulers that ask for 30 seconds, and tests that do not wait for them. */
#include <ktstr.h>

#define ASK "--watchdog-timeout-ms", "30000"
/* In half a second on a CPU that is shared with other guests nobody's share is fair. */
#define SHORT .checks = {.max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE}

KTSTR_SCHEDULER(patient, .name = "patient", SHORT, .binary = "scx_ktstr", .sched_args = KTSTR_LIST(ASK));
KTSTR_SCHEDULER(stalling, .name = "stalling", SHORT, .binary = "scx_ktstr",
                .sched_args = KTSTR_LIST(ASK, "--stall-after", "0"));
KTSTR_SCHEDULER(hurried, .name = "hurried", SHORT, .binary = "scx_ktstr",
                .sched_args = KTSTR_LIST("--watchdog-timeout-ms", "4000"));

/* The same as part of the kernel: commands that load it. */
#define UNTIL(state) "while ! grep -qx " state " /sys/kernel/sched_ext/state; do sleep 0.1; done"
KTSTR_SCHEDULER(loaded, .name = "loaded", SHORT,
                .kernel_builtin_enable = KTSTR_LIST(
                        "true", "scx_ktstr --watchdog-timeout-ms 30000 & " UNTIL("enabled"), "true"),
                .kernel_builtin_disable = KTSTR_LIST("killall -INT scx_ktstr; " UNTIL("disabled")));
KTSTR_SCHEDULER(knob, .name = "knob", SHORT, .kernel_builtin_enable = KTSTR_LIST("true"),
                .kernel_builtin_disable = KTSTR_LIST("true"));

/* What watches over its calls is the agent's other child. */
#define CHILDREN_OF_AGENT "$(grep -lE '^[0-9]+ [(].*[)] . 1 ' /proc/[0-9]*/stat)"
KTSTR_SCHEDULER(widowed, .name = "widowed", SHORT,
                .kernel_builtin_enable = KTSTR_LIST("for f in " CHILDREN_OF_AGENT
                                                    "; do pid=${f%/stat}; pid=${pid#/proc/};"
                                                    "[ $pid = $$ ] || kill -KILL $pid; done; scx_ktstr"),
                .kernel_builtin_disable = KTSTR_LIST("true"));

KTSTR_TEST(declared, .scheduler = &patient, .watchdog_timeout_s = 2, .duration_s = 2,
           .extra_sched_args = KTSTR_LIST("--stall-after", "0.5"))
{
        return ktstr_scenario_steady(ctx);
}

/* It is a child of what is started that loads it. */
KTSTR_TEST(bounded, .scheduler = &patient, .duration_s = 2,
           .extra_sched_args = KTSTR_LIST("--wrapped", "--stall-after", "0.5"))
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(sound, .scheduler = &patient, .watchdog_timeout_s = 8, .duration_s = 1)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(shorter_than_the_bound, .scheduler = &hurried, .duration_s = 0.5)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(left_alone, .scheduler = &patient, .watchdog_timeout_s = KTSTR_NONE, .duration_s = 0.5)
{
        return ktstr_scenario_steady(ctx);
}

static enum ktstr_outcome run(struct ktstr_ctx *ctx, struct ktstr_op op)
{
        const struct ktstr_scenario scenario = {
                KTSTR_CGROUPS({.name = "working"}),
                KTSTR_STEPS({.hold = KTSTR_HOLD_FIXED_MS(200)},
                            {.hold = KTSTR_HOLD_FIXED_MS(1000), .ops = &op, .n_ops = 1}),
        };

        return ktstr_run_scenario(ctx, &scenario);
}

KTSTR_TEST(replaced, .scheduler = &patient, .watchdog_timeout_s = 2)
{
        return run(ctx, ktstr_op_replace_scheduler(&stalling));
}

KTSTR_TEST(restarted, .scheduler = &patient, .watchdog_timeout_s = 8)
{
        return run(ctx, ktstr_op_restart_scheduler());
}

KTSTR_TEST(by_command, .scheduler = &loaded, .extra_include_files = KTSTR_LIST("../../scheds/scx_ktstr"),
           .watchdog_timeout_s = 8, .duration_s = 0.5)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(without_supervisor, .scheduler = &widowed,
           .extra_include_files = KTSTR_LIST("../../scheds/scx_ktstr"), .watchdog_timeout_s = 8,
           .duration_s = 0.5)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(of_no_watchdog, .scheduler = &knob, .watchdog_timeout_s = 8, .duration_s = 0.5)
{
        return ktstr_scenario_steady(ctx);
}
