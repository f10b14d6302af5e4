/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A crew: workers that were made at once and do the same. Each is forked, waits at the gate until all are in
 * their places, and runs until it is killed.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../../common/list.h"
#include "../telemetry.h"
#include "../work/work_type.h"
#include "pages.h"
#include "conversation.h"
#include "gate.h"

struct crew_worker {
        pid_t pid;        /* -1 once collected */
        pid_t tid;        /* the same, for reports */
        const char *role; /* static; NULL: that of all */
        struct worker_counters *counters;
        bool ended; /* by itself, with wait_status */
        int wait_status;

        /* what the kernel says when it is stopped */
        uint64_t cpu_ns, run_delay_ns, run_count;
        struct ktstr_cpus cpus; /* that it may use; none: it cannot be told */
        /* where that was asked for: */
        struct pages_by_node pages_before; /* when it was let go */
        struct kt_pages pages;             /* that it has taken since */
};

/* What it is made of; borrowed until crew_make() returns, but for the work's own pointers and topo. */
struct crew_plan {
        unsigned n;
        const struct ktstr_work *work;
        const struct ktstr_topo *topo;
        const struct ktstr_cpus *cpus; /* n of them: that each worker may use */
        const char *cgroup_dir;        /* NULL: outside all */
        const char *comm;              /* NULL: "ktstr-worker" */
        uint64_t seed;
        /* In each worker, when it is in its place and before it works; NULL: nothing. May worker_die(). */
        void (*settle)(struct ktstr_worker *w, const void *data);
        const void *data;
};

struct crew {
        struct crew_worker *workers;
        unsigned n, allocated;
        const struct work_type *type;
        struct ktstr_work work;
        struct worker_counters *counters; /* shared memory, n of them */
        void *teams;                      /* shared memory of the work type's; or NULL */
        size_t teams_size;
        uint64_t started_ns,
                stopped_ns; /* when it was let go (set by whoever does) and stopped; 0: not yet */
        uint64_t paused_ns; /* for how long it was frozen in all */
};

/* Has the machine memory for so many? One that runs out of it may take minutes to notice: rather not begin.
 * -ENOMEM. */
int crew_check_memory(uint64_t n, struct kt_error *reterr);

/* Fork workers that wait at the gate. 0; -ENOMEM when the machine's memory runs out; -ECANCELED when it is
 * over meanwhile. What was forked then is in *c all the same, and the caller's to stop. */
int crew_make(struct crew *c, const struct crew_plan *plan, const struct gate *gate,
              struct conversation *talk, struct kt_error *reterr);
/* Free what it has; its workers must have been collected. */
void crew_done(struct crew *c);

/* It is let go now (CLOCK_MONOTONIC, ns, as all times here): what its workers' first gap begins with. To be
 * called before the gate is opened. */
void crew_released(struct crew *c, uint64_t now_ns);

/* Does one stand still that could run: no progress for stuck_ns, and the kernel says that it waits for a
 * CPU? */
bool crew_is_stuck(const struct crew *c, uint64_t now_ns, uint64_t stuck_ns);

/* It was frozen from then to then (CLOCK_MONOTONIC): that is no gap. To be called before it runs again. */
void crew_paused(struct crew *c, uint64_t since_ns, uint64_t until_ns);

/* Its cpuset has changed, and the kernel has moved it: the CPUs that it used before are of another cpuset.
 */
void crew_cpus_changed(struct crew *c);

/* The end of its measuring: take the kernel's figures, note who has ended by itself, account for those that
 * stand still. */
void crew_measure(struct crew *c, uint64_t now_ns);

/* Kill all, with what they have forked. */
void crew_kill(struct crew *c);

/* Collect the killed that are dead; true when all are. */
bool crew_reap(struct crew *c);

/* In a process that was just forked for the workload. When memory runs out the workload goes first: the
 * scheduler is what is looked at. */
void crew_be_the_first_to_go(void);
/* And a body that is killed leaves nobody behind. */
void crew_die_with_parent(pid_t parent);
