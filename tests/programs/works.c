/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each work type with the parameters that it has by default and one team, on two CPUs: several to a guest,
 * one behind another, each in a cgroup that is called as it is. None leaves anything behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ktstr.h>

#include "leftovers.h"

KTSTR_SCHEDULER(any, .name = "any", .binary = "scx_simple");

static void own(struct ktstr_worker *w)
{
        for (;;)
                ktstr_worker_progress(w, ktstr_worker_random(w) % 7 + 1);
}

static const struct ktstr_phase phases[] = {
        {KTSTR_PHASE_SPIN, 20}, {KTSTR_PHASE_SLEEP, 20}, {KTSTR_PHASE_YIELD, 20}, {KTSTR_PHASE_IO, 20}};

struct subject {
        const char *name;
        int workers;
        struct ktstr_work work;
        bool measures_wakes;
};

#define WORK(name_, id_, workers_, ...)                                                                     \
        {                                                                                                   \
                .name = name_, .workers = workers_, .work = {KTSTR_WORK_##id_}, ##__VA_ARGS__               \
        }
#define MEASURES_WAKES .measures_wakes = true

#define CGROUP_CHURN WORK("CgroupChurn", CGROUP_CHURN, 2)
#define POLICY_CHURN WORK("PolicyChurn", POLICY_CHURN, 2)
#define PRIORITY_INVERSION WORK("PriorityInversion", PRIORITY_INVERSION, 3)
#define FUTEX_FAN_OUT WORK("FutexFanOut", FUTEX_FAN_OUT, 5, MEASURES_WAKES)

static const struct subject alone[] = {
        WORK("CpuSpin", CPU_SPIN, 2),
        WORK("YieldHeavy", YIELD_HEAVY, 2),
        WORK("Mixed", MIXED, 2),
        WORK("IoSync", IO_SYNC, 2),
        WORK("Bursty", BURSTY, 2),
        WORK("CachePressure", CACHE_PRESSURE, 2),
        WORK("CacheYield", CACHE_YIELD, 2),
        WORK("TimerLatency", TIMER_LATENCY, 2, MEASURES_WAKES),
        {"Sequence", 2, {KTSTR_WORK_SEQUENCE, .phases = phases, .n_phases = 4}},
        {"Custom", 2, {KTSTR_WORK_CUSTOM, .name = "own", .func = own}},
        {},
};
static const struct subject changing[] = {
        WORK("ForkExit", FORK_EXIT, 2),
        WORK("NiceSweep", NICE_SWEEP, 2),
        WORK("AffinityChurn", AFFINITY_CHURN, 2),
        WORK("PageFaultChurn", PAGE_FAULT_CHURN, 2),
        POLICY_CHURN,
        CGROUP_CHURN,
        {},
};
static const struct subject together[] = {
        WORK("PipeIo", PIPE_IO, 2),
        WORK("CachePipe", CACHE_PIPE, 2),
        WORK("SignalStorm", SIGNAL_STORM, 2),
        WORK("FutexPingPong", FUTEX_PING_PONG, 2, MEASURES_WAKES),
        WORK("MutexContention", MUTEX_CONTENTION, 4),
        WORK("WakeChain", WAKE_CHAIN, 4, MEASURES_WAKES),
        {},
};
static const struct subject unlike[] = {
        FUTEX_FAN_OUT,
        WORK("FanOutCompute", FAN_OUT_COMPUTE, 5, MEASURES_WAKES),
        WORK("ThunderingHerd", THUNDERING_HERD, 8, MEASURES_WAKES),
        PRIORITY_INVERSION,
        WORK("PreemptStorm", PREEMPT_STORM, 4),
        WORK("RtStarvation", RT_STARVATION, 4),
        WORK("Schbench", SCHBENCH, 4, MEASURES_WAKES),
        {},
};
/* Those of which a scheduler hears more than that they run and sleep. */
static const struct subject heard_of[] = {CGROUP_CHURN, POLICY_CHURN, PRIORITY_INVERSION, FUTEX_FAN_OUT, {}};
static const struct subject siblings[] = {WORK("SmtSiblingSpin", SMT_SIBLING_SPIN, 2), {}};

#define SECONDS_EACH 1

static enum ktstr_outcome run_one(struct ktstr_ctx *ctx, const struct subject *s)
{
        /* The check of wake-ups has something to look at, which is all that is asked; a second is too short for
         * what is said of anybody's share. */
        const struct ktstr_checks checks = {.max_p99_wake_latency_ns = s->measures_wakes ? 60e9 : 0,
                                            .max_spread_pct = KTSTR_NONE};
        const struct ktstr_scenario scenario = {
                KTSTR_CGROUPS({.name = s->name, .workers = s->workers, .work = s->work}),
                KTSTR_STEPS({.hold = KTSTR_HOLD_FIXED_MS(SECONDS_EACH * 1000)}),
                .checks = &checks,
        };
        struct leftovers *before = leftovers_now();

        return leftovers_judge(ctx, before, s->name, ktstr_run_scenario(ctx, &scenario));
}

static enum ktstr_outcome run_all(struct ktstr_ctx *ctx, const struct subject *subjects)
{
        enum ktstr_outcome worst = KTSTR_PASS;

        for (const struct subject *s = subjects; s->name; s++)
                worst = ktstr_worse(worst, run_one(ctx, s));
        return worst;
}

#define BATCH(name_, ...)                                                                                   \
        KTSTR_TEST(all_##name_, .scheduler = &any,                                                          \
                   .duration_s = SECONDS_EACH * (sizeof(name_) / sizeof(name_[0]) - 1), ##__VA_ARGS__)      \
        {                                                                                                   \
                return run_all(ctx, name_);                                                                 \
        }

BATCH(alone)
BATCH(changing)
BATCH(together)
BATCH(unlike)
BATCH(heard_of)
BATCH(siblings, .cores = 1, .threads = 2)

/* Not a type, but work: a program of the host, which runs until its cgroup goes. */
static const struct ktstr_payload counting = {
        .name = "counting",
        .binary = "sh",
        .args = KTSTR_LIST("-c", "i=0; while :; do i=$((i + 1)); echo count: $i; done"),
        .metrics = KTSTR_METRICS({"count", .pattern = "count: ([0-9]+)\n", .polarity = KTSTR_HIGHER}),
        .checks = KTSTR_PAYLOAD_CHECKS({"count", KTSTR_CHECK_MIN, .min = 10}),
};

KTSTR_TEST(payload, .scheduler = &any, .duration_s = 1, .payload = &counting)
{
        struct leftovers *before = leftovers_now();
        const enum ktstr_outcome outcome =
                ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.payload = &counting}));

        return leftovers_judge(ctx, before, "the payload", outcome);
}

/* What there is to be seen, so that nothing seen means something. */
KTSTR_TEST(is_seen, .scheduler = &any, .duration_s = 1)
{
        struct leftovers *before = leftovers_now();

        if (system("sleep 1000 & echo >/tmp/file; mkdir /sys/fs/cgroup/left; mkdir -p /mnt && mount -t "
                   "tmpfs none /mnt") != 0)
                return ktstr_error(ctx, "cannot leave anything");
        if (shmget(IPC_PRIVATE, 4096, 0600) < 0 || msgget(IPC_PRIVATE, 0600) < 0 ||
            semget(IPC_PRIVATE, 1, 0600) < 0 || open("/proc/version", O_RDONLY) < 0)
                return ktstr_error(ctx, "cannot leave anything: %s", strerror(errno));
        if (fork() == 0)
                _exit(0);
        waitid(P_ALL, 0, &(siginfo_t){}, WEXITED | WNOWAIT);
        return leftovers_judge(ctx, before, "the test", KTSTR_PASS);
}

KTSTR_TEST(odd_pair, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.workers = 3, .work = ktstr_pipe_io(0)}));
}

KTSTR_TEST(no_siblings, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.work = ktstr_smt_sibling_spin(0)}));
}
