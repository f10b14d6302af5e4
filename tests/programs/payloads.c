/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real programs as payloads, of Debian's packages stress-ng and rt-tests: each is checked for a metric that
 * it keeps and for one that it cannot keep. schbench is no package of Debian's; the work type of its kind
 * stands in for it.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ktstr.h>

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

/* The first word of a file in a process's folder; "" where there is none. */
static void read_word(const char *pid, const char *file, char *ret, size_t size)
{
        char path[300];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
        f = fopen(path, "r");
        ret[0] = '\0';
        if (f && !fgets(ret, (int)size, f))
                ret[0] = '\0';
        if (f)
                fclose(f);
}

/* How many processes there are that one of these programs is; those that are dead and not yet collected have
 * no command line. */
static unsigned count_left(const char *program)
{
        DIR *proc = opendir("/proc");
        struct dirent *d;
        unsigned n = 0;

        while (proc && (d = readdir(proc))) {
                char name[32], command[32];

                if (!isdigit((unsigned char)d->d_name[0]))
                        continue;
                read_word(d->d_name, "comm", name, sizeof(name));
                read_word(d->d_name, "cmdline", command, sizeof(command));
                if (command[0] && strncmp(name, program, strlen(program)) == 0)
                        n++;
        }
        if (proc)
                closedir(proc);
        return n;
}

static enum ktstr_outcome nothing_is_left(struct ktstr_ctx *ctx, enum ktstr_outcome outcome)
{
        static const char *const programs[] = {"stress-ng", "hackbench"};

        for (unsigned i = 0; i < 2; i++)
                if (count_left(programs[i]) > 0)
                        return ktstr_error(ctx, "%u processes of %s are left", count_left(programs[i]),
                                           programs[i]);
        return outcome;
}

#define RUN_TEST(name_, payload_)                                                                           \
        KTSTR_TEST(name_, .scheduler = &any, .duration_s = 1, .payload = &payload_)                         \
        {                                                                                                   \
                return nothing_is_left(ctx, ktstr_payload_run(ctx, &payload_, NULL, NULL, 60000, NULL));    \
        }

RUN_TEST(stress_ng_kept, stress_ng)
RUN_TEST(stress_ng_missed, stress_ng_slow)
RUN_TEST(hackbench_kept, hackbench)
RUN_TEST(hackbench_missed, hackbench_slow)
RUN_TEST(refused_by_stress_ng, refused)

/* Until there are some, so that there is something that could be left. */
static enum ktstr_outcome await(struct ktstr_ctx *ctx, const struct ktstr_payload_handle *h,
                                const char *program, unsigned at_least)
{
        while (count_left(program) < at_least) {
                if (h && !ktstr_payload_is_running(h))
                        return ktstr_error(ctx, "%s ended by itself", program);
                usleep(1000);
        }
        return KTSTR_PASS;
}

static enum ktstr_outcome start_and_kill(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                         const char *program, unsigned at_least)
{
        struct ktstr_payload_handle *h;
        enum ktstr_outcome outcome = ktstr_payload_start(ctx, p, NULL, NULL, &h);

        if (outcome == KTSTR_PASS)
                outcome = await(ctx, h, program, at_least);
        if (outcome == KTSTR_PASS)
                outcome = nothing_is_left(ctx, ktstr_payload_kill(ctx, h, NULL));
        return outcome;
}

KTSTR_TEST(killed, .scheduler = &any, .duration_s = 1, .payload = &stress_ng_long)
{
        return start_and_kill(ctx, &stress_ng_long, "stress-ng-pipe", 4);
}

KTSTR_TEST(daemons_killed, .scheduler = &any, .duration_s = 1, .payload = &daemons)
{
        return start_and_kill(ctx, &daemons, "stress-ng", 6);
}

KTSTR_TEST(timed_out, .scheduler = &any, .duration_s = 1, .payload = &stress_ng_long)
{
        return nothing_is_left(ctx, ktstr_payload_run(ctx, &stress_ng_long, NULL, NULL, 1000, NULL));
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

        return nothing_is_left(ctx, ktstr_run_scenario(ctx, &scenario));
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
