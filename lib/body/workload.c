/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All the workers of a scenario: let go, looked after, stopped. */
#include <errno.h>

#include "run.h"

/* A worker without progress for this long looks stuck: five rounds of those that share its CPU with
 * sched_ext's slice of 20 ms, and never less than half a second. */
#define STUCK_NS 500000000ULL
#define STUCK_NS_PER_WORKER 100000000ULL

typedef void (*crew_cb)(struct run *r, struct group_crew *c, uint64_t now);

/* Of those that are not stopped: all, or those in groups that are going. */
static void for_each_crew(struct run *r, bool going, crew_cb cb, uint64_t now)
{
        kt_list_for_each (git, &r->b->groups) {
                struct group *home = kt_list_entry(git, struct group, link);

                kt_list_for_each (it, &home->crews) {
                        struct group_crew *c = kt_list_entry(it, struct group_crew, link);

                        if (c->where && (!going || c->where->going))
                                cb(r, c, now);
                }
        }
}

static void note_start(struct run *r, struct group_crew *c, uint64_t now)
{
        if (c->crew.started_ns)
                return;
        c->crew.started_ns = now;
        if (!c->home->started_ns)
                c->home->started_ns = now;
        if (!r->b->started_ns)
                r->b->started_ns = now;
}

void workload_release(struct run *r)
{
        bool first = r->b->stopped_ns || !r->b->started_ns;

        for_each_crew(r, false, note_start, worker_now_ns());
        gate_open(&r->b->gate);
        if (first && r->b->started_ns)
                body_event(r->b, "workload_started", NULL, NULL);
        r->b->stopped_ns = 0;
}

static void count(struct run *r, struct group_crew *c, uint64_t now)
{
        r->n_working += c->crew.n;
}

/* So many working on so few CPUs may be waiting for their turn. */
static uint64_t stuck_ns(const struct run *r, const struct group_crew *c)
{
        const struct ktstr_cpus *cpus = c->where->has_cpus ? &c->where->cpus : &r->b->topo.all;
        unsigned n = ktstr_cpus_count(cpus);
        uint64_t fair = STUCK_NS_PER_WORKER * ((r->n_working + n - 1) / n);

        return fair > STUCK_NS ? fair : STUCK_NS;
}

static void look(struct run *r, struct group_crew *c, uint64_t now)
{
        if (c->crew.started_ns && !r->stuck)
                r->stuck = crew_is_stuck(&c->crew, now, stuck_ns(r, c));
}

bool workload_is_stuck(struct run *r)
{
        r->stuck = false;
        r->n_working = 0;
        for_each_crew(r, false, count, 0);
        for_each_crew(r, false, look, worker_now_ns());
        return r->stuck;
}

static void measure(struct run *r, struct group_crew *c, uint64_t now)
{
        crew_measure(&c->crew, now);
        c->home->stopped_ns = now;
}

static void kill_crew(struct run *r, struct group_crew *c, uint64_t now)
{
        crew_kill(&c->crew);
}

static void reap(struct run *r, struct group_crew *c, uint64_t now)
{
        if (crew_reap(&c->crew))
                c->where = NULL;
        else
                r->unreaped = true;
}

static bool all_reaped(struct run *r, void *data)
{
        r->unreaped = false;
        for_each_crew(r, true, reap, 0);
        return !r->unreaped;
}

int workload_stop(struct run *r)
{
        /* Nobody is killed before all have been measured: the others would have the CPUs for themselves. */
        for_each_crew(r, true, measure, worker_now_ns());
        for_each_crew(r, true, kill_crew, 0);
        return wait_for(r, all_reaped, NULL);
}
