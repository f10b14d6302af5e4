/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real programs as payloads, of Debian's packages stress-ng and rt-tests: each is checked for a metric that
 * it keeps and for one that it cannot keep. schbench is no package of Debian's; the work type of its kind
 * stands in for it.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ktstr.h>

#include "leftovers.h"

KTSTR_SCHEDULER(any, .name = "any", .binary = "scx_simple");

#define STRESS_NG(name_, time_, ...)                                                                        \
        static const struct ktstr_payload name_ = {                                                         \
                .name = "stress-ng",                                                                        \
                .binary = "stress-ng",                                                                      \
                .args = KTSTR_LIST("--pipe", "2", "--timeout", time_, "--metrics", "--yaml",                \
                                   "/dev/stdout"),                                                          \
                .metrics = KTSTR_METRICS(                                                                   \
                        {"ops_per_s", .pattern = "bogo-ops-per-second-real-time: ([0-9.]+)",                \
                         .unit = "op/s", .polarity = KTSTR_HIGHER},                                         \
                        {"ops", .pattern = "metrc: \\[[0-9]+\\] pipe +([0-9]+) ", .unit = "op"}),           \
                ##__VA_ARGS__}

#define HACKBENCH(name_, ...)                                                                               \
        static const struct ktstr_payload name_ = {                                                         \
                .name = "hackbench",                                                                        \
                .binary = "hackbench",                                                                      \
                .args = KTSTR_LIST("--groups", "1", "--fds", "4", "--loops", "50"),                         \
                .metrics = KTSTR_METRICS({"time", .pattern = "(?m)^Time: ([0-9.]+)$", .unit = "s",          \
                                          .polarity = KTSTR_LOWER}),                                        \
                ##__VA_ARGS__}

STRESS_NG(stress_ng, "1",
          .checks = KTSTR_PAYLOAD_CHECKS({"ops_per_s", KTSTR_CHECK_MIN, .min = 1},
                                         {"ops", KTSTR_CHECK_EXISTS}));
STRESS_NG(stress_ng_slow, "1", .checks = KTSTR_PAYLOAD_CHECKS({"ops_per_s", KTSTR_CHECK_MIN, .min = 1e12}));
STRESS_NG(stress_ng_long, "600");
HACKBENCH(hackbench, .checks = KTSTR_PAYLOAD_CHECKS({"time", KTSTR_CHECK_RANGE, .min = 0.001, .max = 600}));
HACKBENCH(hackbench_slow, .checks = KTSTR_PAYLOAD_CHECKS({"time", KTSTR_CHECK_MAX, .max = 0.0001}));

/* Daemons and sessions of their own: none of them is in its process group. */
static const struct ktstr_payload daemons = {
        .name = "daemons",
        .binary = "stress-ng",
        .args = KTSTR_LIST("--daemon", "2", "--session", "2", "--timeout", "600"),
};
static const struct ktstr_payload refused = {
        .name = "refused",
        .binary = "stress-ng",
        .args = KTSTR_LIST("--no-such-stressor"),
};

/* Fails, and leaves children behind that are in its pen for a moment yet when it is gone. */
static const struct ktstr_payload deserter = {
        .name = "deserter",
        .binary = "sh",
        .args = KTSTR_LIST("-c", "for i in 1 2 3 4; do while :; do :; done & done; exit 7"),
};

/* How many processes there are whose name begins so. */
static unsigned count(const char *program)
{
        DIR *proc = opendir("/proc");
        struct dirent *d;
        unsigned n = 0;

        while (proc && (d = readdir(proc))) {
                char path[300], name[32] = "";
                FILE *f;

                snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
                f = isdigit((unsigned char)d->d_name[0]) ? fopen(path, "r") : NULL;
                if (f && fgets(name, sizeof(name), f) && strncmp(name, program, strlen(program)) == 0)
                        n++;
                if (f)
                        fclose(f);
        }
        if (proc)
                closedir(proc);
        return n;
}

static enum ktstr_outcome run(struct ktstr_ctx *ctx, const struct ktstr_payload *p, uint64_t timeout_ms)
{
        struct leftovers *before = leftovers_now();

        return leftovers_judge(ctx, before, p->name,
                               ktstr_payload_run(ctx, p, NULL, NULL, timeout_ms, NULL));
}

#define LONG_MS 60000

KTSTR_TEST(kept, .scheduler = &any, .duration_s = 2, .payload = &stress_ng,
           .workloads = KTSTR_PAYLOADS(&hackbench))
{
        return ktstr_worse(run(ctx, &stress_ng, LONG_MS), run(ctx, &hackbench, LONG_MS));
}

/* Nobody asks for it before it has failed. */
static enum ktstr_outcome end_failed(struct ktstr_ctx *ctx, const struct ktstr_payload *p)
{
        struct leftovers *before = leftovers_now();
        struct ktstr_payload_handle *h;
        enum ktstr_outcome outcome = ktstr_payload_start(ctx, p, NULL, NULL, &h);
        siginfo_t info;

        if (outcome == KTSTR_PASS) {
                waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
                outcome = ktstr_payload_kill(ctx, h, NULL);
        }
        return leftovers_judge(ctx, before, p->name, outcome);
}

KTSTR_TEST(missed, .scheduler = &any, .duration_s = 4, .payload = &stress_ng_slow,
           .workloads = KTSTR_PAYLOADS(&hackbench_slow, &refused, &deserter, &stress_ng_long))
{
        run(ctx, &stress_ng_slow, LONG_MS);
        run(ctx, &hackbench_slow, LONG_MS);
        run(ctx, &refused, LONG_MS);
        end_failed(ctx, &deserter);
        return run(ctx, &stress_ng_long, 1000);
}

/* Until there are some, so that there is something that could be left. */
static enum ktstr_outcome await(struct ktstr_ctx *ctx, const struct ktstr_payload_handle *h,
                                const char *program, unsigned at_least)
{
        while (count(program) < at_least) {
                if (h && !ktstr_payload_is_running(h))
                        return ktstr_error(ctx, "%s ended by itself", program);
                usleep(1000);
        }
        return KTSTR_PASS;
}

static enum ktstr_outcome start_and_kill(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                         const char *program, unsigned at_least)
{
        struct leftovers *before = leftovers_now();
        struct ktstr_payload_handle *h;
        enum ktstr_outcome outcome = ktstr_payload_start(ctx, p, NULL, NULL, &h);

        if (outcome == KTSTR_PASS)
                outcome = await(ctx, h, program, at_least);
        if (outcome == KTSTR_PASS)
                outcome = ktstr_payload_kill(ctx, h, NULL);
        return leftovers_judge(ctx, before, p->name, outcome);
}

KTSTR_TEST(killed, .scheduler = &any, .duration_s = 2, .payload = &stress_ng_long,
           .workloads = KTSTR_PAYLOADS(&daemons))
{
        return ktstr_worse(start_and_kill(ctx, &stress_ng_long, "stress-ng-pipe", 4),
                           start_and_kill(ctx, &daemons, "stress-ng", 6));
}

static enum ktstr_outcome await_daemons(struct ktstr_ctx *ctx)
{
        return await(ctx, NULL, "stress-ng", 6);
}

KTSTR_TEST(in_a_cgroup, .scheduler = &any, .duration_s = 1, .payload = &daemons,
           .workloads = KTSTR_PAYLOADS(&hackbench))
{
        const struct ktstr_scenario scenario = {
                KTSTR_CGROUPS(
                        {.name = "daemons",
                         .cpuset = ktstr_cpuset_disjoint(0, 2),
                         .workers = KTSTR_NONE,
                         .payload = &daemons},
                        {.name = "hackbench", .cpuset = ktstr_cpuset_disjoint(1, 2), .workers = KTSTR_NONE}),
                KTSTR_STEPS({.name = "both",
                             .hold = KTSTR_HOLD_FRAC(0.1),
                             KTSTR_OPS(ktstr_op_call(await_daemons),
                                       ktstr_op_run_payload(&hackbench, "hackbench"),
                                       ktstr_op_wait_payload(&hackbench, "hackbench", 60000))}),
        };
        struct leftovers *before = leftovers_now();

        return leftovers_judge(ctx, before, "the scenario", ktstr_run_scenario(ctx, &scenario));
}

/* What schbench does. */
KTSTR_TEST(schbench_kept, .scheduler = &any, .duration_s = 1, .max_p99_wake_latency_ns = 60e9)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(KTSTR_HOLD_FULL, {.workers = 4, .work = ktstr_schbench(3, 1000, 1, 4)}));
}

KTSTR_TEST(schbench_missed, .scheduler = &any, .duration_s = 1, .max_p99_wake_latency_ns = 1)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(KTSTR_HOLD_FULL, {.workers = 4, .work = ktstr_schbench(3, 1000, 1, 4)}));
}
