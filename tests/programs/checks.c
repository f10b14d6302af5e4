/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For each check a workload, and two tests of it: NAME_missed has a threshold that it cannot keep, NAME_kept
 * one that it just keeps. What is measured is the same on a busy host: workers stand still by sleeping, so
 * that the guest wants no CPU which the host could keep from it, and say themselves what they did and how
 * late they woke.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <ktstr.h>

#define NS_PER_MS 1000000ULL

/* All that is on by default is off: what a test says itself is all that it is held to. */
#define DEFAULTS_OFF                                                                                        \
        .not_starved = KTSTR_OFF, .isolation = KTSTR_OFF, .max_gap_ms = KTSTR_NONE,                         \
        .max_spread_pct = KTSTR_NONE

#define TWO_NODES .numa_nodes = 2, .llcs = 2, .cores = 1

KTSTR_SCHEDULER(fixture, .name = "fixture", .binary = "scx_ktstr", .topology = {.llcs = 1, .cores = 2},
                .checks = {DEFAULTS_OFF});
/* As a scheduler of the kernel's own is switched on, here the second node's only CPU is switched off: the
 * memory there is then a slower tier's. */
KTSTR_SCHEDULER(half, .name = "half",
                .kernel_builtin_enable = KTSTR_LIST("echo 0 >/sys/devices/system/cpu/cpu1/online"),
                .kernel_builtin_disable = KTSTR_LIST("echo 1 >/sys/devices/system/cpu/cpu1/online"),
                .topology = {TWO_NODES}, .checks = {DEFAULTS_OFF});

#define PAIR(check_, missed_, kept_, ...)                                                                   \
        static enum ktstr_outcome check_##_workload(struct ktstr_ctx *ctx);                                 \
        KTSTR_TEST(check_##_missed, .check_ = missed_, __VA_ARGS__)                                         \
        {                                                                                                   \
                return check_##_workload(ctx);                                                              \
        }                                                                                                   \
        KTSTR_TEST(check_##_kept, .check_ = kept_, __VA_ARGS__)                                             \
        {                                                                                                   \
                return check_##_workload(ctx);                                                              \
        }                                                                                                   \
        static enum ktstr_outcome check_##_workload(struct ktstr_ctx *ctx)

#define UNDER_FIXTURE .scheduler = &fixture, .duration_s = 1
#define RUN(...) ktstr_run(ctx, KTSTR_STEP(KTSTR_HOLD_FULL, {.name = "cg", __VA_ARGS__}))

static void sleep_ms(unsigned ms)
{
        const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * NS_PER_MS)};

        nanosleep(&t, NULL);
}

static void stand_still(void)
{
        for (;;)
                pause();
}

/* --- progress --- */

static void do_nothing(struct ktstr_worker *w)
{
        stand_still();
}

static void do_one_thing(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1);
        stand_still();
}

KTSTR_TEST(not_starved_missed, .not_starved = KTSTR_ON, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("does nothing", do_nothing));
}

KTSTR_TEST(not_starved_kept, .not_starved = KTSTR_ON, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("does one thing", do_one_thing));
}

static void stop_for_a_second(struct ktstr_worker *w)
{
        sleep_ms(1000);
        ktstr_worker_progress(w, 1);
        stand_still();
}

PAIR(max_gap_ms, 100, 2000, .scheduler = &fixture, .duration_s = 2)
{
        return RUN(.workers = 1, .work = ktstr_custom("stops for a second", stop_for_a_second));
}

static void bind_to(unsigned cpu)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof(set), &set);
}

/* Out of its cgroup, and with that out of the cpuset. */
static void go_to_cpu1(struct ktstr_worker *w)
{
        int fd = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);

        (void)!write(fd, "0", 1);
        bind_to(1);
        ktstr_worker_progress(w, 1);
        stand_still();
}

KTSTR_TEST(isolation_missed, .isolation = KTSTR_ON, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .cpuset = ktstr_cpuset_exact("0"),
                   .work = ktstr_custom("goes to cpu1", go_to_cpu1));
}

KTSTR_TEST(isolation_kept, .isolation = KTSTR_ON, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .cpuset = ktstr_cpuset_exact("0-1"),
                   .work = ktstr_custom("goes to cpu1", go_to_cpu1));
}

static uint64_t now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* Four fifths of the time on the CPU, and the other one never. */
static void spin_or_not(struct ktstr_worker *w)
{
        while (ktstr_worker_index(w) == 0) {
                for (uint64_t end = now_ns() + 80 * NS_PER_MS; now_ns() < end;)
                        ktstr_worker_progress(w, 1);
                sleep_ms(20);
        }
        stand_still();
}

PAIR(max_spread_pct, 1, 99, .scheduler = &fixture, .duration_s = 2)
{
        return RUN(.workers = 2, .work = ktstr_custom("spins, or does not", spin_or_not));
}

/* --- rates --- */

/* One of n does it all: their rates' standard deviation is sqrt(n - 1) times their mean. */
static void do_all_or_nothing(struct ktstr_worker *w)
{
        if (ktstr_worker_index(w) == 0)
                ktstr_worker_progress(w, 1000);
        stand_still();
}

PAIR(max_throughput_cv, 0.1, 4.01, UNDER_FIXTURE)
{
        return RUN(.workers = 17, .work = ktstr_custom("does all or nothing", do_all_or_nothing));
}

static void do_a_thousand_units(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1000);
        stand_still();
}

PAIR(min_work_rate, 1e6, 500, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("does 1000 units", do_a_thousand_units));
}

static void do_a_thousand_iterations(struct ktstr_worker *w)
{
        for (int i = 0; i < 1000; i++)
                ktstr_worker_progress(w, 1);
        stand_still();
}

PAIR(min_iteration_rate, 1e6, 500, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("does 1000 iterations", do_a_thousand_iterations));
}

/* It says so. */
static void wake_after_one_or_three_seconds(struct ktstr_worker *w)
{
        for (unsigned i = 0; i < 1000; i++)
                ktstr_worker_wake_latency(w, i % 2 ? 1000 * NS_PER_MS : 3000 * NS_PER_MS);
        stand_still();
}

PAIR(max_p99_wake_latency_ns, 1e6, 3e9, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("wakes late", wake_after_one_or_three_seconds));
}

/* Of these the standard deviation is half of the mean. */
PAIR(max_wake_latency_cv, 0.1, 0.501, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("wakes late", wake_after_one_or_three_seconds));
}

static void move_at_every_fourth(struct ktstr_worker *w)
{
        unsigned cpu = (unsigned)sched_getcpu();

        for (unsigned i = 0; i < 40; i++) {
                if (i % 4 == 3)
                        bind_to(cpu ^= 1);
                ktstr_worker_progress(w, 1);
        }
        stand_still();
}

PAIR(max_migration_ratio, 0.2, 0.25, UNDER_FIXTURE)
{
        return RUN(.workers = 1, .work = ktstr_custom("moves at every fourth", move_at_every_fourth));
}

/* --- memory --- */

#define MEMORY_BYTES (16U << 20)

/* Half of it of node 0 and half of node 1, and every page there. NULL: it cannot be had. */
static volatile char *memory_of_both_nodes(void)
{
        char *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED || madvise(memory, MEMORY_BYTES, MADV_NOHUGEPAGE) < 0)
                return NULL;
        for (unsigned node = 0; node < 2; node++) {
                const unsigned long nodes = 1UL << node;

                if (syscall(SYS_mbind, memory + node * (MEMORY_BYTES / 2), MEMORY_BYTES / 2, MPOL_BIND,
                            &nodes, sizeof(nodes) * 8, 0) < 0)
                        return NULL;
        }
        memset(memory, 1, MEMORY_BYTES);
        return memory;
}

static void have_memory_of_both_nodes(struct ktstr_worker *w)
{
        if (memory_of_both_nodes())
                ktstr_worker_progress(w, 1);
        stand_still();
}

/* What a process takes beside it is next to nothing. */
PAIR(min_page_locality, 0.6, 0.4, .scheduler = &fixture, .duration_s = 1, TWO_NODES)
{
        return RUN(.workers = 1, .cpuset = ktstr_cpuset_numa(0),
                   .work = ktstr_custom("has memory of both nodes", have_memory_of_both_nodes));
}

PAIR(max_slow_tier_ratio, 0.4, 0.6, .scheduler = &half, .duration_s = 1)
{
        return RUN(.workers = 1,
                   .work = ktstr_custom("has memory of both nodes", have_memory_of_both_nodes));
}

static void use_memory_of_both_nodes(struct ktstr_worker *w)
{
        volatile char *memory = memory_of_both_nodes();

        if (!memory || syscall(SYS_mbind, memory, MEMORY_BYTES, MPOL_DEFAULT, NULL, 0, 0) < 0)
                stand_still();
        for (;;) {
                for (size_t i = 0; i < MEMORY_BYTES; i += 4096)
                        memory[i]++;
                ktstr_worker_progress(w, 1);
        }
}

#define NUMA_BALANCING "/sys/kernel/debug/sched/numa_balancing/"

static enum ktstr_outcome set_kernel(struct ktstr_ctx *ctx, const char *path, const char *value)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

        if (fd >= 0)
                close(fd);
        return done ? KTSTR_PASS : ktstr_error(ctx, "%s: %s", path, strerror(errno));
}

/* The kernel brings memory to who uses it: by default to one that has run for some seconds, and under
 * sched_ext never. */
PAIR(max_cross_node_migration_ratio, 0.05, 0.6, .duration_s = 3, TWO_NODES, DEFAULTS_OFF)
{
        enum ktstr_outcome set = ktstr_worse(set_kernel(ctx, NUMA_BALANCING "scan_delay_ms", "10"),
                                             set_kernel(ctx, NUMA_BALANCING "scan_period_min_ms", "10"));

        if (set != KTSTR_PASS)
                return set;
        return RUN(.workers = 1, .cpuset = ktstr_cpuset_numa(0),
                   .work = ktstr_custom("uses memory of both nodes", use_memory_of_both_nodes));
}

/* --- what a scheduler does to the canned workload --- */

KTSTR_SCHEDULER(degraded, .name = "degraded", .binary = "scx_ktstr", .sched_args = KTSTR_LIST("--degrade"),
                .checks = {DEFAULTS_OFF});

KTSTR_TEST(steady_kept, .scheduler = &fixture, .duration_s = 1, .min_iteration_rate = 10)
{
        return ktstr_scenario_steady(ctx);
}

KTSTR_TEST(steady_missed, .scheduler = &degraded, .duration_s = 1, .min_iteration_rate = 1e12)
{
        return ktstr_scenario_steady(ctx);
}
