/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workload.h"

#include <errno.h>

#include "judge.h"
#include "map_write.h"
#include "pages.h"
#include "wait.h"

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

int workload_for_each(struct run *r, struct group *g,
                      int (*cb)(struct run *r, struct group_crew *c, void *data, struct kt_error *reterr),
                      void *data, struct kt_error *reterr)
{
        int e = 0;

        kt_list_for_each (git, &r->b->groups) {
                struct group *home = kt_list_entry(git, struct group, link);

                kt_list_for_each (it, &home->crews) {
                        struct group_crew *c = kt_list_entry(it, struct group_crew, link);

                        if (e >= 0 && c->where == g)
                                e = cb(r, c, data, reterr);
                }
        }
        return e;
}

/* Those that are not stopped, and in g or below it. */
static void for_each_crew_below(struct run *r, struct group *g, crew_cb cb, uint64_t now)
{
        kt_list_for_each (git, &r->b->groups) {
                struct group *home = kt_list_entry(git, struct group, link);

                kt_list_for_each (it, &home->crews) {
                        struct group_crew *c = kt_list_entry(it, struct group_crew, link);

                        if (c->where && (c->where == g || group_is_below(c->where, g)))
                                cb(r, c, now);
                }
        }
}

static void note_start(struct run *r, struct group_crew *c, uint64_t now)
{
        struct kt_workload *w = &r->b->workload;

        if (c->crew.started_ns)
                return;
        crew_released(&c->crew, now);
        if (group_is_frozen(&r->b->groups, c->where))
                c->frozen_ns = now;
        if (!c->home->started_ns) {
                c->home->started_ns = now;
                if (judge_wants_pages(r->b, r->number))
                        c->home->migrated_begin = pages_migrated(c->home->dir);
        }
        if (w->started_ns && !w->stopped_ns)
                return;
        if (!w->started_ns) {
                w->started_ns = now;
                map_writes_start(r->b);
        }
        w->stopped_ns = 0;
        body_event(r->b, "workload_started", NULL, NULL, NULL, NULL);
}

static void note_pages(struct run *r, struct group_crew *c, uint64_t now)
{
        for (unsigned i = 0; !c->crew.started_ns && i < c->crew.n; i++)
                c->crew.workers[i].pages_before = pages_of_process(c->crew.workers[i].tid);
}

void workload_release(struct run *r)
{
        if (judge_wants_pages(r->b, r->number))
                for_each_crew(r, false, note_pages, 0);
        for_each_crew(r, false, note_start, worker_now_ns());
        gate_open(&r->b->gate);
}

static void count(struct run *r, struct group_crew *c, uint64_t now)
{
        r->n_working += c->crew.n;
}

/* So many working on so few CPUs may be waiting for their turn. */
static uint64_t stuck_ns(const struct run *r, const struct group_crew *c)
{
        unsigned n = ktstr_cpus_count(c->where->has_cpus ? &c->where->cpus : &r->b->topo.all);
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

static void note_pause(struct run *r, struct group_crew *c, uint64_t now)
{
        if (c->frozen_ns && c->frozen_ns < now)
                crew_paused(&c->crew, c->frozen_ns, now);
        c->frozen_ns = 0;
}

/* One that waits at the gate is not to run anyhow. */
static void freeze(struct run *r, struct group_crew *c, uint64_t since)
{
        if (c->crew.started_ns && !c->frozen_ns)
                c->frozen_ns = since > c->crew.started_ns ? since : c->crew.started_ns;
}

static void thaw(struct run *r, struct group_crew *c, uint64_t now)
{
        if (!group_is_frozen(&r->b->groups, c->where))
                note_pause(r, c, now);
}

void workload_freeze(struct run *r, struct group *g, uint64_t since_ns)
{
        g->frozen = true;
        for_each_crew_below(r, g, freeze, since_ns);
}

void workload_thaw(struct run *r, struct group *g)
{
        g->frozen = false;
        for_each_crew_below(r, g, thaw, worker_now_ns());
}

static void note_cpus(struct run *r, struct group_crew *c, uint64_t now)
{
        crew_cpus_changed(&c->crew);
}

void workload_cpus_changed(struct run *r, struct group *g)
{
        for_each_crew_below(r, g, note_cpus, 0);
}

static void measure(struct run *r, struct group_crew *c, uint64_t now)
{
        /* Those that still wait at the gate have not worked, and nobody has kept them from it. */
        if (!c->crew.started_ns)
                return;
        note_pause(r, c, now);
        crew_measure(&c->crew, now);
        if (c->crew.started_ns)
                c->home->stopped_ns = now;
}

/* Reading where pages are waits for the lock of the worker's memory: behind all figures that hold still. */
static void measure_pages(struct run *r, struct group_crew *c, uint64_t now)
{
        const struct ktstr_cpus *nodes = c->where->has_nodes ? &c->where->nodes : &r->b->all_nodes;

        if (!c->crew.started_ns)
                return;
        c->home->migrated = pages_migrated(c->home->dir) - c->home->migrated_begin;
        for (unsigned i = 0; i < c->crew.n; i++) {
                struct crew_worker *w = &c->crew.workers[i];
                const struct pages_by_node pages = pages_of_process(w->tid);

                pages_add_taken(&w->pages_before, &pages, &r->b->topo, nodes, &w->pages);
        }
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
        if (judge_wants_pages(r->b, r->number))
                for_each_crew(r, true, measure_pages, 0);
        for_each_crew(r, true, kill_crew, 0);
        return wait_for_end(r, all_reaped, NULL);
}
