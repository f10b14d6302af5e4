/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A constructor for each work type of work_types.h, with its parameters (part of ktstr.h; do not include it
 * alone). 0 is a parameter's default. Types that work in groups want a number of workers that their group
 * size divides; the error says which: "PipeIo requires num_workers divisible by 2, got 3".
 */

#define KTSTR_WORK_0(func_, id_)                                                                            \
        static inline struct ktstr_work ktstr_##func_(void)                                                 \
        {                                                                                                   \
                return (struct ktstr_work){.type = KTSTR_WORK_##id_};                                       \
        }

KTSTR_WORK_0(cpu_spin, CPU_SPIN)
KTSTR_WORK_0(yield_heavy, YIELD_HEAVY)
KTSTR_WORK_0(mixed, MIXED)
KTSTR_WORK_0(io_sync, IO_SYNC)
KTSTR_WORK_0(fork_exit, FORK_EXIT)
KTSTR_WORK_0(nice_sweep, NICE_SWEEP)
#undef KTSTR_WORK_0

/* p[0] to p[3] in the order of the arguments. */
#define KTSTR_WORK_1(func_, id_, a_)                                                                        \
        static inline struct ktstr_work ktstr_##func_(uint64_t a_)                                          \
        {                                                                                                   \
                return (struct ktstr_work){.type = KTSTR_WORK_##id_, .p = {a_}};                            \
        }
#define KTSTR_WORK_2(func_, id_, a_, b_)                                                                    \
        static inline struct ktstr_work ktstr_##func_(uint64_t a_, uint64_t b_)                             \
        {                                                                                                   \
                return (struct ktstr_work){.type = KTSTR_WORK_##id_, .p = {a_, b_}};                        \
        }
#define KTSTR_WORK_3(func_, id_, a_, b_, c_)                                                                \
        static inline struct ktstr_work ktstr_##func_(uint64_t a_, uint64_t b_, uint64_t c_)                \
        {                                                                                                   \
                return (struct ktstr_work){.type = KTSTR_WORK_##id_, .p = {a_, b_, c_}};                    \
        }
#define KTSTR_WORK_4(func_, id_, a_, b_, c_, d_)                                                            \
        static inline struct ktstr_work ktstr_##func_(uint64_t a_, uint64_t b_, uint64_t c_, uint64_t d_)   \
        {                                                                                                   \
                return (struct ktstr_work){.type = KTSTR_WORK_##id_, .p = {a_, b_, c_, d_}};                \
        }

/* 50, 100 */
KTSTR_WORK_2(bursty, BURSTY, burst_ms, sleep_ms)
/* 1024 spin iterations between exchanges; in pairs */
KTSTR_WORK_1(pipe_io, PIPE_IO, burst_iterations)
KTSTR_WORK_1(futex_ping_pong, FUTEX_PING_PONG, spin_iterations)
/* 32 KiB, 64 bytes */
KTSTR_WORK_2(cache_pressure, CACHE_PRESSURE, size_kib, stride_bytes)
KTSTR_WORK_2(cache_yield, CACHE_YIELD, size_kib, stride_bytes)
/* 32 KiB, 1024 iterations; in pairs */
KTSTR_WORK_2(cache_pipe, CACHE_PIPE, size_kib, burst_iterations)
/* 4 receivers a messenger, 1024 iterations; in groups of fan_out + 1 */
KTSTR_WORK_2(futex_fan_out, FUTEX_FAN_OUT, fan_out, spin_iterations)
/* 4 receivers, 256 KiB, 5 multiplications, 100 us of sleep */
KTSTR_WORK_4(fan_out_compute, FAN_OUT_COMPUTE, fan_out, cache_kib, operations, sleep_us)
/* 1024 iterations between two changes */
KTSTR_WORK_1(affinity_churn, AFFINITY_CHURN, spin_iterations)
KTSTR_WORK_1(policy_churn, POLICY_CHURN, spin_iterations)
/* 4096 KiB, 256 pages touched a round, 64 spin iterations */
KTSTR_WORK_3(page_fault_churn, PAGE_FAULT_CHURN, region_kib, touches, spin_iterations)
/* 4 contenders, 256 iterations inside, 1024 outside */
KTSTR_WORK_3(mutex_contention, MUTEX_CONTENTION, contenders, hold_iterations, work_iterations)
/* a ring of 4, 1024 iterations a turn */
KTSTR_WORK_2(wake_chain, WAKE_CHAIN, length, spin_iterations)
/* a herd of 7 and the one that wakes it, 256 iterations in the lock, every 2000 us */
KTSTR_WORK_3(thundering_herd, THUNDERING_HERD, herd, hold_iterations, period_us)
/* 1024 iterations a chunk; in pairs */
KTSTR_WORK_1(smt_sibling_spin, SMT_SIBLING_SPIN, spin_iterations)
/* every 1000 us */
KTSTR_WORK_1(timer_latency, TIMER_LATENCY, period_us)
/* 1024 iterations between two moves */
KTSTR_WORK_1(cgroup_churn, CGROUP_CHURN, spin_iterations)
/* low holds the lock for 5000 us, high wants it every 20000 us; in threes */
KTSTR_WORK_2(priority_inversion, PRIORITY_INVERSION, hold_us, period_us)
/* one FIFO worker to 3 others, every 500 us for 100 us */
KTSTR_WORK_3(preempt_storm, PREEMPT_STORM, victims, period_us, burst_us)
/* one FIFO worker to 3 others, 90 % of each 100000 us */
KTSTR_WORK_3(rt_starvation, RT_STARVATION, victims, busy_pct, period_us)
/* 1024 iterations between two signals; in pairs */
KTSTR_WORK_1(signal_storm, SIGNAL_STORM, spin_iterations)
/* 3 workers a messenger, 30000 us of think time between requests, 2 multiplications of 16 KiB a request */
KTSTR_WORK_4(schbench, SCHBENCH, workers, think_us, operations, cache_kib)

#undef KTSTR_WORK_1
#undef KTSTR_WORK_2
#undef KTSTR_WORK_3
#undef KTSTR_WORK_4

static inline struct ktstr_work ktstr_sequence_of(const struct ktstr_phase *phases, unsigned n)
{
        return (struct ktstr_work){.type = KTSTR_WORK_SEQUENCE, .phases = phases, .n_phases = n};
}
/* ktstr_sequence({KTSTR_PHASE_SPIN, 50}, {KTSTR_PHASE_SLEEP, 100}) */
#define ktstr_sequence(...)                                                                                 \
        ktstr_sequence_of((const struct ktstr_phase[]){__VA_ARGS__},                                        \
                          sizeof((const struct ktstr_phase[]){__VA_ARGS__}) / sizeof(struct ktstr_phase))
