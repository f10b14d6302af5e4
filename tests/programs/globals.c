/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that read and write global variables of a scheduler's program. */
#include <ktstr.h>

KTSTR_SCHEDULER(faulty, .name = "faulty", .binary = "scx_ktstr");
KTSTR_SCHEDULER(wrapped, .name = "wrapped", .binary = "scx_ktstr", .sched_args = KTSTR_LIST("--wrapped"));
KTSTR_SCHEDULER(qmap, .name = "qmap", .binary = "scx_qmap");

#define CRASHES                                                                                             \
        .expect_err = KTSTR_ON, .expect_scx_bpf_error_contains = "ktstr: host-triggered crash",             \
        .duration_s = 2
/* It is the counters that are looked at. */
#define UNCHECKED                                                                                           \
        .max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE, .not_starved = KTSTR_OFF, .duration_s = 1

KTSTR_TEST(crashes_before, .scheduler = &faulty, CRASHES,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "crash", .value = 1, .map = ".bss"}))
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(crashes_in_a_child, .scheduler = &wrapped, CRASHES,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "crash", .value = 1}))
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(crashes_midway, .scheduler = &faulty, CRASHES,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "crash", .value = 1, .at_ms = 500},
                                             {.field = "slow_cnt", .value = 7, .at_ms = 200}))
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(crashes_when_restarted, .scheduler = &faulty, CRASHES)
{
        return ktstr_run(
                ctx, KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.5), KTSTR_OPS(ktstr_op_restart_scheduler()), {}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FRAC(0.5), KTSTR_OPS(ktstr_op_map_write("crash", 1)), {}));
}

/* The restart takes longer than from one write to the next: some have their time in it. */
#define AT(ms)                                                                                              \
        {                                                                                                   \
                .field = "slow_cnt", .value = (ms), .at_ms = (ms)                                           \
        }

KTSTR_TEST(writes_while_it_is_restarted, .scheduler = &faulty, UNCHECKED,
           .bpf_map_write = KTSTR_MAP_WRITES(AT(210), AT(250), AT(300), AT(400), AT(600), AT(1000),
                                             AT(2000)))
{
        enum ktstr_outcome outcome;
        int64_t last = -1;

        outcome = ktstr_run(
                ctx, KTSTR_STEP(KTSTR_HOLD_FIXED_MS(200), {}),
                KTSTR_STEP_OPS(KTSTR_HOLD_FIXED_MS(2000), KTSTR_OPS(ktstr_op_restart_scheduler()), {}));
        outcome = ktstr_worse(outcome, ktstr_map_read(ctx, "slow_cnt", &last));
        return last == 2000 ? outcome
                            : ktstr_fail(ctx, "the last that was written is %lld", (long long)last);
}

/* A timeout that is declared: that of the default may have the host's excuse. */
KTSTR_TEST(stalls_in_its_second_step, .scheduler = &faulty, .watchdog_timeout_s = 4, .duration_s = 10)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FIXED_MS(300), {}),
                         KTSTR_STEP_OPS(KTSTR_HOLD_FULL, KTSTR_OPS(ktstr_op_map_write("stall", 1)), {}));
}

static enum ktstr_outcome is_more(struct ktstr_ctx *ctx, const char *field)
{
        int64_t before = -1, after = -1;
        enum ktstr_outcome outcome = ktstr_map_read(ctx, field, &before);

        outcome = ktstr_worse(outcome, ktstr_scenario_steady(ctx));
        outcome = ktstr_worse(outcome, ktstr_map_read(ctx, field, &after));
        ktstr_metric(ctx, field, (double)(after - before), "");
        return after > before && before >= 0 ? outcome : ktstr_fail(ctx, "%s does not grow", field);
}

KTSTR_TEST(counts, .scheduler = &faulty, UNCHECKED,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "degrade_rt", .value = 1}))
{
        return is_more(ctx, "degrade_cnt");
}

KTSTR_TEST(counts_of_another, .scheduler = &qmap, UNCHECKED, .ignore = true)
{
        return is_more(ctx, "nr_dispatched");
}

KTSTR_TEST(writes_nothing_else, .scheduler = &faulty, UNCHECKED)
{
        int64_t written = 0, beside = -1, kind = -1, constant = -1, character = -1;

        if (ktstr_map_write(ctx, "degrade_cnt", 4000000000) ||
            ktstr_map_read(ctx, "degrade_cnt", &written) || ktstr_map_read(ctx, "slow_cnt", &beside) ||
            ktstr_map_read(ctx, "uei.kind", &kind) || ktstr_map_read(ctx, "uei.reason[127]", &character) ||
            ktstr_map_read(ctx, "uei_dump_len", &constant))
                return KTSTR_FAIL;
        if (written != 4000000000 || beside || kind || character || constant != 32768)
                return ktstr_fail(ctx, "%lld %lld %lld %lld %lld", (long long)written, (long long)beside,
                                  (long long)kind, (long long)character, (long long)constant);
        return KTSTR_PASS;
}

/* What is wrong with each is the test's error, whatever is expected of the scheduler; the right one beside
 * it is not written. */
#define WRONG(name, ...)                                                                                    \
        KTSTR_TEST(name, .scheduler = &faulty, CRASHES,                                                     \
                   .bpf_map_write = KTSTR_MAP_WRITES({.field = "crash", .value = 1}, {__VA_ARGS__}))        \
        {                                                                                                   \
                return ktstr_scenario_steady(ctx);                                                          \
        }

WRONG(wrong_name, .field = "stal", .value = 1)
WRONG(wrong_value, .field = "stall", .value = 1LL << 32)
WRONG(wrong_map, .field = "stall", .value = 1, .map = ".date")
WRONG(wrong_member, .field = "uei.kin", .value = 1)
WRONG(constant, .field = "degrade", .value = 1)

KTSTR_TEST(too_late, .scheduler = &faulty, UNCHECKED,
           .bpf_map_write = KTSTR_MAP_WRITES({.field = "stall", .value = 1, .at_ms = 60000}))
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(wrong_name_in_an_operation, .scheduler = &faulty, UNCHECKED)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {}),
                         KTSTR_STEP_OPS(KTSTR_HOLD_FULL, KTSTR_OPS(ktstr_op_map_write("stalll", 1)), {}));
}

KTSTR_TEST(wrong_name_in_a_read, .scheduler = &faulty, UNCHECKED)
{
        int64_t value;

        return ktstr_map_read(ctx, "nr_dispatched", &value);
}
