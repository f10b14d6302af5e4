/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

/* A chunk of worker_spin_until(): a microsecond natively, some ten under emulation. */
#define SPIN_CHUNK 1024U

uint64_t worker_now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Only the worker writes its counters: what it read itself it may add to and store, without a locked
 * instruction. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
        return atomic_load_explicit(counter, memory_order_relaxed);
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
        atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* `round` was read before the CPU was: a CPU of before the change is never noted in the round after it. */
static void note_cpu(struct worker_counters *k, uint32_t round, uint32_t cpu, bool first)
{
        const bool moved = cpu != atomic_load_explicit(&k->last_cpu, memory_order_relaxed);

        if (round != atomic_load_explicit(&k->cpus_round, memory_order_relaxed)) {
                for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                        set(&k->cpus_used[i], 0);
                atomic_store_explicit(&k->cpus_round, round, memory_order_release);
        } else if (!moved && !first) {
                return;
        }
        if (moved && !first)
                add(&k->migrations, 1);
        atomic_store_explicit(&k->last_cpu, cpu, memory_order_relaxed);
        if (cpu < KTSTR_CPUS_MAX)
                set(&k->cpus_used[cpu / 64], get(&k->cpus_used[cpu / 64]) | 1ULL << (cpu % 64));
}

uint64_t worker_still_since(const struct worker_counters *k)
{
        const _Atomic uint64_t *released = atomic_load(&k->released_ns);
        uint64_t last = get(&k->last_ns);
        uint64_t paused = get(&k->paused_ns) - get(&k->paused_seen_ns), until = get(&k->paused_until_ns);

        if (released && get(released) > last)
                last = get(released);
        /* It may have been let go, by others or by a clock, while it was frozen or after that. */
        if (until <= last)
                return last;
        return last + (paused < until - last ? paused : until - last);
}

static void note_gap(struct ktstr_worker *w, uint64_t now, uint32_t cpu)
{
        struct worker_counters *k = w->counters;
        uint64_t paused = get(&k->paused_ns), last = worker_still_since(k);

        /* Each pause moves it once. */
        set(&k->paused_seen_ns, paused);
        set(&k->last_ns, last);
        if (now <= last || now - last <= get(&k->max_gap_ns))
                return;
        set(&k->max_gap_ns, now - last);
        set(&k->max_gap_at_ns, now - get(&k->started_ns));
        atomic_store_explicit(&k->max_gap_cpu, cpu, memory_order_relaxed);
}

/* On a kernel that cannot tell it is always CPU 0. */
static uint32_t current_cpu(void)
{
        int cpu = sched_getcpu();

        return cpu < 0 ? 0 : (uint32_t)cpu;
}

/* Not back: it may have been frozen since the clock was read, and what was taken off for that is taken off
 * once. */
static void note_point(struct worker_counters *k, uint64_t now)
{
        if (now > get(&k->last_ns))
                set(&k->last_ns, now);
}

void worker_begin(struct ktstr_worker *w)
{
        struct worker_counters *k = w->counters;
        uint32_t round = atomic_load(&k->cpus_rounds);
        uint64_t now = worker_now_ns();
        uint32_t cpu = current_cpu();

        if (!get(&k->started_ns)) {
                set(&k->last_ns, now);
                set(&k->started_ns, now);
        }
        note_gap(w, now, cpu);
        note_cpu(k, round, cpu, true);
        note_point(k, now);
}

uint64_t worker_progress(struct ktstr_worker *w, uint64_t units)
{
        struct worker_counters *k = w->counters;
        uint32_t round = atomic_load(&k->cpus_rounds);
        uint64_t now = worker_now_ns();
        uint32_t cpu = current_cpu();

        note_gap(w, now, cpu);
        note_cpu(k, round, cpu, false);
        note_point(k, now);
        add(&k->work_units, units);
        add(&k->iterations, 1);
        return now;
}

void worker_spin(uint64_t n)
{
        volatile uint64_t sink = 0;

        for (uint64_t i = 0; i < n; i++)
                sink += i;
}

void worker_spin_until(struct ktstr_worker *w, uint64_t until_ns)
{
        do
                worker_spin(SPIN_CHUNK);
        while (worker_progress(w, SPIN_CHUNK) < until_ns);
}

/* It is let go on then. */
static void go_on_at(struct ktstr_worker *w, uint64_t ns)
{
        if (ns > get(&w->counters->last_ns))
                set(&w->counters->last_ns, ns);
}

void worker_wait_begins(struct ktstr_worker *w, const _Atomic uint64_t *released_ns)
{
        note_gap(w, worker_now_ns(), current_cpu());
        atomic_store(&w->counters->released_ns, released_ns);
}

uint64_t worker_wait_ended(struct ktstr_worker *w)
{
        const uint64_t now = worker_now_ns(), released = get(atomic_load(&w->counters->released_ns));

        go_on_at(w, released < now ? released : now);
        atomic_store(&w->counters->released_ns, NULL);
        return now;
}

uint64_t worker_sleep_until(struct ktstr_worker *w, uint64_t until_ns)
{
        const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000ULL),
                                       .tv_nsec = (long)(until_ns % 1000000000ULL)};

        note_gap(w, worker_now_ns(), current_cpu());
        /* Before it sleeps: whoever looks at it sees that it has no gap until then. */
        go_on_at(w, until_ns);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                ;
        return worker_now_ns();
}

bool worker_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
        bool slept = false;

        /* EAGAIN: it has changed already. EINTR and wake-ups that were meant for what stood there before:
         * look again. */
        while (atomic_load(word) == value)
                if (syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0) == 0)
                        slept = true;
        return slept;
}

void worker_futex_wake(_Atomic uint32_t *word, int n)
{
        syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
}

void worker_die(struct ktstr_worker *w, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        vsnprintf(w->counters->died, sizeof(w->counters->died), fmt, args);
        va_end(args);
        _exit(1);
}

void worker_orphaned(void)
{
        for (;;)
                pause();
}

void ktstr_worker_progress(struct ktstr_worker *w, uint64_t units)
{
        worker_progress(w, units);
}

uint64_t ktstr_worker_random(struct ktstr_worker *w)
{
        return random_next(&w->random);
}

void ktstr_worker_wake_latency(struct ktstr_worker *w, uint64_t ns)
{
        struct worker_counters *k = w->counters;
        uint64_t n = get(&k->wake_count), place = n, state = n ^ (uint64_t)w->index << 40;

        /* Each of the first n + 1 is kept with the same probability. The number is not drawn from the
         * worker's own sequence, which the work alone shall determine. */
        if (n >= WORKER_WAKES_MAX)
                place = random_next(&state) % (n + 1);
        if (place < WORKER_WAKES_MAX)
                set(&k->wakes_ns[place], ns);
        if (ns > get(&k->wake_max_ns))
                set(&k->wake_max_ns, ns);
        atomic_store_explicit(&k->wake_count, n + 1, memory_order_release);
}

unsigned ktstr_worker_index(const struct ktstr_worker *w)
{
        return w->index;
}

unsigned ktstr_worker_group_size(const struct ktstr_worker *w)
{
        return w->group_size;
}
