/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schedulers that go and come while a test runs. */
#include <ktstr.h>
#include <stdio.h>
#include <string.h>

/* In half a second on a CPU that is shared with other guests nobody's share is fair. */
#define UNTIMED .checks = {.max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE}

KTSTR_SCHEDULER(first, .name = "first", UNTIMED, .binary = "scx_ktstr");
KTSTR_SCHEDULER(second, .name = "second", .binary = "scx_ktstr", .sched_args = KTSTR_LIST("--slow"));
KTSTR_SCHEDULER(broken, .name = "broken", .binary = "scx_ktstr", .sched_args = KTSTR_LIST("--fail-verify"));

#define WORKING KTSTR_CGROUPS({.name = "working"})

static bool is_enabled(void)
{
        char state[32] = "";
        FILE *f = fopen("/sys/kernel/sched_ext/state", "r");

        if (f) {
                (void)!fgets(state, sizeof(state), f);
                fclose(f);
        }
        return strcmp(state, "enabled\n") == 0;
}

static enum ktstr_outcome is_there(struct ktstr_ctx *ctx)
{
        return is_enabled() && ctx->sched_pid > 0 ? KTSTR_PASS : ktstr_fail(ctx, "it is not attached");
}

static enum ktstr_outcome is_gone(struct ktstr_ctx *ctx)
{
        return !is_enabled() && ctx->sched_pid == 0 ? KTSTR_PASS : ktstr_fail(ctx, "it is still attached");
}

static pid_t before;

static enum ktstr_outcome note_pid(struct ktstr_ctx *ctx)
{
        before = ctx->sched_pid;
        return KTSTR_PASS;
}

static enum ktstr_outcome is_another(struct ktstr_ctx *ctx)
{
        return ctx->sched_pid != before ? is_there(ctx) : ktstr_fail(ctx, "it is still pid %d", (int)before);
}

static enum ktstr_outcome is_second(struct ktstr_ctx *ctx)
{
        return strcmp(ctx->scheduler, "second") == 0 ? is_another(ctx)
                                                     : ktstr_fail(ctx, "it is '%s'", ctx->scheduler);
}

/* The workers are there before the step in which it happens. */
static enum ktstr_outcome run(struct ktstr_ctx *ctx, const struct ktstr_op *ops, unsigned n)
{
        const struct ktstr_step steps[] = {
                {.hold = KTSTR_HOLD_FIXED_MS(300)},
                {.hold = KTSTR_HOLD_FIXED_MS(300), .ops = ops, .n_ops = n},
        };
        const struct ktstr_scenario scenario = {WORKING, .steps = steps, .n_steps = 2};

        return ktstr_run_scenario(ctx, &scenario);
}
#define RUN(...)                                                                                            \
        run(ctx, (const struct ktstr_op[]){__VA_ARGS__},                                                    \
            sizeof((const struct ktstr_op[]){__VA_ARGS__}) / sizeof(struct ktstr_op))

KTSTR_TEST(restarts, .scheduler = &first)
{
        return RUN(ktstr_op_call(note_pid), ktstr_op_restart_scheduler(), ktstr_op_call(is_another));
}

KTSTR_TEST(detaches_and_attaches, .scheduler = &first)
{
        return RUN(ktstr_op_detach_scheduler(), ktstr_op_call(is_gone), ktstr_op_attach_scheduler(),
                   ktstr_op_call(is_there));
}

KTSTR_TEST(is_replaced, .scheduler = &first)
{
        return RUN(ktstr_op_call(note_pid), ktstr_op_replace_scheduler(&second), ktstr_op_call(is_second));
}

KTSTR_TEST(does_not_come_back, .scheduler = &first)
{
        return RUN(ktstr_op_replace_scheduler(&broken));
}
