/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A worker, from its own side: what a work type has at hand. How workers are made and ended is crew.h.
 *
 * Each is a process. What it measures stands in memory that it shares with the body, not in a report at its
 * end: a worker that a broken scheduler never runs again cannot report, and its standing still is just what
 * must be seen. So a work type's run() never returns, and its process is killed (SIGKILL to its process
 * group) when its time is over; what it must not leave behind on disk has no name (O_TMPFILE, memfd).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../common/error.h"
#include "../include/ktstr.h"

/* How many wake-up latencies are kept of a worker, drawn evenly from all (a reservoir). */
#define WORKER_WAKES_MAX 4096

/* Written by the worker, read by the body at any time. Times: CLOCK_MONOTONIC in ns. */
struct worker_counters {
        _Atomic uint64_t started_ns; /* when it was let go, which may be long before it ran; 0: not yet */
        _Atomic uint64_t last_ns;    /* the last progress point */
        /* While it waits for others: when they let it go, in memory that it shares with the body. NULL: it
         * does not wait. */
        const _Atomic uint64_t *_Atomic released_ns;
        _Atomic uint64_t work_units, iterations, migrations;
        _Atomic uint64_t max_gap_ns, max_gap_at_ns; /* at: its end, from started_ns */
        _Atomic uint32_t max_gap_cpu, last_cpu;
        _Atomic uint64_t paused_ns;       /* written by the body: for how long it was frozen in all */
        _Atomic uint64_t paused_until_ns; /* written by the body: when that ended last */
        _Atomic uint64_t paused_seen_ns;  /* of paused_ns, what last_ns has been moved by */
        _Atomic uint64_t cpus_used[KTSTR_CPUS_MAX / 64]; /* bitmap; of cpus_round */
        _Atomic uint32_t cpus_round;                     /* the one that it noted CPUs in last */
        _Atomic uint32_t cpus_rounds; /* written by the body: another one begins when its cpuset changes */
        _Atomic uint64_t
                wake_count; /* all, of which the first WORKER_WAKES_MAX places of wakes_ns hold a draw */
        _Atomic uint64_t wake_max_ns; /* of all */
        _Atomic uint64_t wakes_ns[WORKER_WAKES_MAX];
        char died[160]; /* worker_die()'s line; to be read once the process has ended. "": it did not say */
};

/* What the workers of one group (of the type's divisor) have in common. */
struct work_team {
        void *shared; /* shared_size() bytes, zeroed, shared by its workers and the body; NULL where that is
                         0 */
        int *fds;     /* n_fds descriptors from open_fds(); closed by the body once all are forked */
        unsigned n_fds;
};

struct ktstr_worker {
        struct worker_counters *counters;
        const struct ktstr_work *work; /* parameters with their defaults filled in */
        const struct ktstr_topo *topo;
        struct work_team *team;
        unsigned team_index, team_size; /* its number in its team, 0 to size - 1 */
        unsigned index, group_size;     /* its number in its whole group of workers */
        const char *cgroup_dir;         /* its cgroup's folder: "/sys/fs/cgroup/cg_0"; NULL: outside all */
        const struct ktstr_cpus *cpus;  /* that it may use: its cpuset and affinity */
        uint64_t random;                /* state; see ktstr_worker_random() */
};

/* It runs: called once, by what called fork(), when the worker is past the gate and before run(). The time
 * since it was let go (counters->started_ns; now, where nobody has set it) is its first gap. */
void worker_begin(struct ktstr_worker *w);

/* A progress point: an iteration is done, of so many units. Notes gap, CPU and migration; some 50 ns
 * natively. Returns now. (ktstr_worker_progress() is this.) */
uint64_t worker_progress(struct ktstr_worker *w, uint64_t units);

/* Since when it makes no progress: its last progress point, or when it was let go, moved by what it was
 * frozen since. By its counters, for whoever looks at it. */
uint64_t worker_still_since(const struct worker_counters *k);

/* CLOCK_MONOTONIC in ns. */
uint64_t worker_now_ns(void);

/* n spin iterations that the compiler does not remove; about a nanosecond each natively, ten under
 * emulation. */
void worker_spin(uint64_t n);

/* Spin until then, in chunks that are progress points of their own. */
void worker_spin_until(struct ktstr_worker *w, uint64_t until_ns);

/* Around waiting for others of its team, who store in *released_ns (of the team's memory) when they let it
 * go on: that it waited is no gap, that it runs late after that is one. (Who does not let it go on has a gap
 * of its own, if it is not run.) The end returns now. */
void worker_wait_begins(struct ktstr_worker *w, const _Atomic uint64_t *released_ns);
uint64_t worker_wait_ended(struct ktstr_worker *w);

/* Stand still on purpose, until then. That time is no gap: the next progress point counts from when it
 * should have run again. Returns now. */
uint64_t worker_sleep_until(struct ktstr_worker *w, uint64_t until_ns);

/* Wait while *word is `value`, wake n waiters; for memory that processes share. true: it had to sleep, so
 * that what comes after it is a wake-up. */
bool worker_futex_wait(_Atomic uint32_t *word, uint32_t value);
void worker_futex_wake(_Atomic uint32_t *word, int n);

/* Something failed that cannot: the worker ends, and this line becomes its `exit`. */
void worker_die(struct ktstr_worker *w, const char *fmt, ...)
        __attribute__((format(printf, 2, 3), noreturn));

/* Its partner is gone: wait to be killed too. What the partner died of is in the partner's report, and when
 * all are killed, one after the other, those that are later must not seem to have failed. */
void worker_orphaned(void) __attribute__((noreturn));
