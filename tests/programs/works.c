/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A test for each work type, by its name, with the parameters that it has by default and one team, on two
 * CPUs. */
#include <ktstr.h>

KTSTR_SCHEDULER(any, .name = "any", .binary = "scx_simple");

/* Of what is different on purpose (a messenger and those that it wakes) no fair share is expected. */
#define WORK_TEST(name_, id_, workers_, ...)                                                                \
        KTSTR_TEST(name_, .scheduler = &any, .duration_s = 1, .max_spread_pct = KTSTR_NONE, ##__VA_ARGS__)  \
        {                                                                                                   \
                return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL,                                           \
                                                 {.workers = workers_, .work = {KTSTR_WORK_##id_}}));       \
        }

/* The check has something to look at, which is all that is asked. */
#define MEASURES_WAKES .max_p99_wake_latency_ns = 60e9

WORK_TEST(CpuSpin, CPU_SPIN, 2)
WORK_TEST(YieldHeavy, YIELD_HEAVY, 2)
WORK_TEST(Mixed, MIXED, 2)
WORK_TEST(IoSync, IO_SYNC, 2)
WORK_TEST(Bursty, BURSTY, 2)
WORK_TEST(PipeIo, PIPE_IO, 2)
WORK_TEST(FutexPingPong, FUTEX_PING_PONG, 2, MEASURES_WAKES)
WORK_TEST(CachePressure, CACHE_PRESSURE, 2)
WORK_TEST(CacheYield, CACHE_YIELD, 2)
WORK_TEST(CachePipe, CACHE_PIPE, 2)
WORK_TEST(FutexFanOut, FUTEX_FAN_OUT, 5, MEASURES_WAKES)
WORK_TEST(FanOutCompute, FAN_OUT_COMPUTE, 5, MEASURES_WAKES)
WORK_TEST(ForkExit, FORK_EXIT, 2)
WORK_TEST(NiceSweep, NICE_SWEEP, 2)
WORK_TEST(AffinityChurn, AFFINITY_CHURN, 2)
WORK_TEST(PolicyChurn, POLICY_CHURN, 2)
WORK_TEST(PageFaultChurn, PAGE_FAULT_CHURN, 2)
WORK_TEST(MutexContention, MUTEX_CONTENTION, 4)
WORK_TEST(WakeChain, WAKE_CHAIN, 4, MEASURES_WAKES)
WORK_TEST(ThunderingHerd, THUNDERING_HERD, 8, MEASURES_WAKES)
WORK_TEST(SmtSiblingSpin, SMT_SIBLING_SPIN, 2, .cores = 1, .threads = 2)
WORK_TEST(TimerLatency, TIMER_LATENCY, 2, MEASURES_WAKES)
WORK_TEST(CgroupChurn, CGROUP_CHURN, 2)
WORK_TEST(PriorityInversion, PRIORITY_INVERSION, 3)
WORK_TEST(PreemptStorm, PREEMPT_STORM, 4)
WORK_TEST(RtStarvation, RT_STARVATION, 4)
WORK_TEST(SignalStorm, SIGNAL_STORM, 2)
WORK_TEST(Schbench, SCHBENCH, 4, MEASURES_WAKES)

KTSTR_TEST(Sequence, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(
                ctx, KTSTR_STEP(KTSTR_HOLD_FULL,
                                {.work = ktstr_sequence({KTSTR_PHASE_SPIN, 20}, {KTSTR_PHASE_SLEEP, 20},
                                                        {KTSTR_PHASE_YIELD, 20}, {KTSTR_PHASE_IO, 20})}));
}

static void own(struct ktstr_worker *w)
{
        for (;;)
                ktstr_worker_progress(w, ktstr_worker_random(w) % 7 + 1);
}

KTSTR_TEST(Custom, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.work = ktstr_custom("own", own)}));
}

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
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.payload = &counting}));
}

KTSTR_TEST(odd_pair, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.workers = 3, .work = ktstr_pipe_io(0)}));
}

KTSTR_TEST(no_siblings, .scheduler = &any, .duration_s = 1)
{
        return ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.work = ktstr_smt_sibling_spin(0)}));
}
