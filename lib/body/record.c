/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../common/fsutil.h"
#include "wakes.h"

/* How one that ended by itself did. */
static char *exit_text(const struct crew_worker *w)
{
        if (w->counters->died[0])
                return strndup(w->counters->died, sizeof(w->counters->died));
        if (WIFSIGNALED(w->wait_status))
                return kt_format("signal %d", WTERMSIG(w->wait_status));
        return kt_format("exit %d", WEXITSTATUS(w->wait_status));
}

/* `usual`: those of its cgroup. */
static int record_worker(const struct crew *c, const struct crew_worker *w, const struct ktstr_cpus *usual,
                         struct kt_worker *ret)
{
        const struct worker_counters *k = w->counters;
        uint64_t wall = c->stopped_ns > k->started_ns ? c->stopped_ns - k->started_ns : 0;

        *ret = (struct kt_worker){
                .tid = w->tid,
                .work = strdup(c->type->name),
                .role = w->role ? strdup(w->role) : NULL,
                .work_units = k->work_units,
                .iterations = k->iterations,
                .cpu_ns = w->cpu_ns,
                .wall_ns = wall,
                .off_cpu_ns = wall > w->cpu_ns ? wall - w->cpu_ns : 0,
                .migrations = k->migrations,
                .max_gap_ns = k->max_gap_ns,
                .max_gap_cpu = k->max_gap_cpu,
                .max_gap_at_ns = k->max_gap_at_ns,
                .run_delay_ns = w->run_delay_ns,
                .run_count = w->run_count,
                .started_ns = k->started_ns,
                .stopped_ns = c->stopped_ns,
                .paused_ns = c->paused_ns,
                .has_cpus = ktstr_cpus_count(&w->cpus) > 0 && memcmp(&w->cpus, usual, sizeof(*usual)) != 0,
                .cpus = w->cpus,
                .exit = w->ended ? exit_text(w) : NULL,
        };
        /* One that made no progress since its cpuset changed was seen on no CPU of the one that is judged.
         */
        for (unsigned i = 0; k->cpus_round == k->cpus_rounds && i < KTSTR_CPUS_MAX / 64; i++)
                ret->cpus_used.bits[i] = k->cpus_used[i];
        return ret->work && (ret->role || !w->role) && (ret->exit || !w->ended) ? 0 : -ENOMEM;
}

static size_t count_workers(const struct group *g)
{
        size_t n = 0;

        kt_list_for_each (it, &g->crews) {
                const struct crew *c = &kt_list_entry(it, struct group_crew, link)->crew;

                n += c->started_ns ? c->n : 0;
        }
        return n;
}

static int record_workers(const struct group *g, const struct ktstr_cpus *usual, struct kt_cgroup *ret)
{
        int r = 0;

        kt_list_for_each (it, &g->crews) {
                const struct crew *c = &kt_list_entry(it, struct group_crew, link)->crew;

                for (unsigned i = 0; r >= 0 && c->started_ns && i < c->n; i++) {
                        r = record_worker(c, &c->workers[i], usual, &ret->workers[ret->n_workers]);
                        ret->n_workers++;
                        ret->pages.total += c->workers[i].pages.total;
                        ret->pages.local += c->workers[i].pages.local;
                        ret->pages.slow += c->workers[i].pages.slow;
                }
        }
        return r;
}

int record_group(const struct group *g, unsigned scenario, struct kt_workload *w)
{
        size_t n = count_workers(g);
        struct kt_cgroup *grown, *c;
        int r;

        if (n == 0)
                return 0;
        grown = reallocarray(w->cgroups, w->n_cgroups + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        w->cgroups = grown;
        c = &grown[w->n_cgroups++];
        *c = (struct kt_cgroup){
                .name = strdup(g->name),
                .scenario = scenario,
                .started_ns = g->started_ns,
                .stopped_ns = g->stopped_ns,
                .has_cpus = g->has_cpus,
                .cpus = g->cpus,
                .isolated = g->has_cpus && g->isolated && !g->strayed,
                .workers = calloc(n, sizeof(struct kt_worker)),
        };
        if (!c->name || !c->workers)
                return -ENOMEM;
        r = record_workers(g, g->has_cpus ? &g->cpus : &w->cpus, c);
        c->pages.migrated = g->migrated;
        return r < 0 ? r : wakes_of_group(g, &c->wakes);
}
