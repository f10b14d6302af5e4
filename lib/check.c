/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
/* More than any guest has. */
#define CPUS_MAX 4096U

struct checker {
        const struct kt_workload *workload;
        const struct kt_thresholds *thresholds;
        kt_host_delay_cb delay;
        void *userdata;
        struct kt_check_result *results;
        size_t n, allocated;
        bool oom;
};

struct kt_thresholds kt_thresholds_default(bool emulated)
{
        return (struct kt_thresholds){
                .not_starved = true,
                .isolation = true,
                .gap_ms = emulated ? 3000 : 2000,
                .spread_pct = emulated ? 35 : 15,
        };
}

/* Shares of a window of few time slices are a matter of who came first. */
#define SPREAD_WINDOW_MIN_NS 1e9

static struct kt_check_result *add(struct checker *c, const char *name, enum kt_outcome outcome)
{
        static struct kt_check_result sink;

        if (c->n == c->allocated) {
                size_t allocated = c->allocated ? c->allocated * 2 : 8;
                struct kt_check_result *grown = realloc(c->results, allocated * sizeof(*grown));

                if (!grown) {
                        c->oom = true;
                        return &sink;
                }
                c->results = grown;
                c->allocated = allocated;
        }
        struct kt_check_result *r = &c->results[c->n++];
        *r = (struct kt_check_result){.name = name, .outcome = outcome, .unit = ""};
        return r;
}

/* The rule of the host at fault: what was missed, in ns, against how long the host held the vCPUs back
 * meanwhile. */
static enum kt_outcome blame(const struct checker *c, uint64_t from_ns, uint64_t to_ns, uint64_t missed_ns)
{
        if (c->delay && c->delay(c->userdata, from_ns, to_ns) >= missed_ns)
                return KT_INCONCLUSIVE;
        return KT_FAIL;
}

static void say_host(struct kt_check_result *r)
{
        size_t len = strlen(r->text);

        if (r->outcome == KT_INCONCLUSIVE)
                snprintf(r->text + len, sizeof(r->text) - len, "; the host alone explains it");
}

/* How long it takes until each worker has had a turn, in slices of sched_ext's default (SCX_SLICE_DFL, 20
 * ms). */
static uint64_t round_ns(const struct kt_workload *w)
{
        size_t workers = 0, cpus = 1;

        for (size_t g = 0; g < w->n_cgroups; g++) {
                size_t used = kt_cgroup_cpus_used(&w->cgroups[g]);

                workers += w->cgroups[g].n_workers;
                cpus = used > cpus ? used : cpus;
        }
        return workers * 20 * NS_PER_MS / cpus;
}

/* Whoever waits for a turn among so many is not starved by the scheduler. */
static void say_crowded(struct kt_check_result *r, uint64_t round, uint64_t limit)
{
        size_t len = strlen(r->text);

        if (r->outcome != KT_FAIL || round <= limit)
                return;
        r->outcome = KT_INCONCLUSIVE;
        snprintf(r->text + len, sizeof(r->text) - len, "; with so many workers a round takes up to %llums",
                 (unsigned long long)(round / NS_PER_MS));
}

static void check_starved(struct checker *c)
{
        const struct kt_workload *w = c->workload;
        const uint64_t round = round_ns(w);
        size_t before = c->n;

        for (size_t g = 0; g < w->n_cgroups; g++)
                for (size_t i = 0; i < w->cgroups[g].n_workers; i++) {
                        const struct kt_worker *k = &w->cgroups[g].workers[i];

                        if (k->work_units > 0)
                                continue;
                        struct kt_check_result *r =
                                add(c, "not_starved",
                                    blame(c, w->started_ns, w->stopped_ns, w->stopped_ns - w->started_ns));
                        snprintf(r->text, sizeof(r->text), "tid %lld starved (0 work units)",
                                 (long long)k->tid);
                        say_host(r);
                        say_crowded(r, round, w->stopped_ns - w->started_ns);
                }
        if (c->n == before)
                snprintf(add(c, "not_starved", KT_PASS)->text, sizeof(((struct kt_check_result *)0)->text),
                         "every worker made progress");
}

static void check_gap(struct checker *c)
{
        const struct kt_workload *w = c->workload;
        uint64_t limit_ns = (uint64_t)(c->thresholds->gap_ms * (double)NS_PER_MS), worst_ns = 0;
        const uint64_t round = round_ns(w);
        size_t before = c->n;

        for (size_t g = 0; g < w->n_cgroups; g++)
                for (size_t i = 0; i < w->cgroups[g].n_workers; i++) {
                        const struct kt_worker *k = &w->cgroups[g].workers[i];
                        uint64_t end = k->started_ns + k->max_gap_at_ns;

                        worst_ns = k->max_gap_ns > worst_ns ? k->max_gap_ns : worst_ns;
                        if (k->max_gap_ns <= limit_ns)
                                continue;
                        uint64_t start = end > k->max_gap_ns ? end - k->max_gap_ns : 0;
                        struct kt_check_result *r =
                                add(c, "gap", blame(c, start, end, k->max_gap_ns - limit_ns));
                        r->value = (double)k->max_gap_ns / (double)NS_PER_MS;
                        r->threshold = c->thresholds->gap_ms;
                        r->unit = "ms";
                        snprintf(r->text, sizeof(r->text),
                                 "tid %lld stuck %llums on cpu%lld at +%llums (threshold %.0fms)",
                                 (long long)k->tid, (unsigned long long)(k->max_gap_ns / NS_PER_MS),
                                 (long long)k->max_gap_cpu,
                                 (unsigned long long)(k->max_gap_at_ns / NS_PER_MS), c->thresholds->gap_ms);
                        say_host(r);
                        say_crowded(r, round, limit_ns);
                }
        if (c->n > before)
                return;
        struct kt_check_result *r = add(c, "gap", KT_PASS);
        r->value = (double)worst_ns / (double)NS_PER_MS;
        r->threshold = c->thresholds->gap_ms;
        r->unit = "ms";
        snprintf(r->text, sizeof(r->text), "longest gap %.0fms (threshold %.0fms)", r->value, r->threshold);
}

double kt_cgroup_spread_pct(const struct kt_cgroup *g, double *ret_min, double *ret_max)
{
        double min = 0, max = 0;
        bool any = false;

        for (size_t i = 0; i < g->n_workers; i++) {
                const struct kt_worker *k = &g->workers[i];
                double pct;

                if (k->wall_ns == 0)
                        continue;
                pct = 100.0 * (double)k->off_cpu_ns / (double)k->wall_ns;
                min = !any || pct < min ? pct : min;
                max = !any || pct > max ? pct : max;
                any = true;
        }
        *ret_min = min;
        *ret_max = max;
        return max - min;
}

unsigned kt_cgroup_cpus_used(const struct kt_cgroup *g)
{
        bool seen[CPUS_MAX] = {};
        unsigned n = 0;

        for (size_t i = 0; i < g->n_workers; i++)
                for (size_t j = 0; j < g->workers[i].n_cpus_used; j++) {
                        unsigned cpu = g->workers[i].cpus_used[j];

                        if (cpu >= CPUS_MAX || seen[cpu])
                                continue;
                        seen[cpu] = true;
                        n++;
                }
        return n;
}

static void check_spread(struct checker *c)
{
        const struct kt_workload *w = c->workload;
        double worst = 0, limit = c->thresholds->spread_pct;
        size_t before = c->n;

        for (size_t i = 0; i < w->n_cgroups; i++) {
                const struct kt_cgroup *g = &w->cgroups[i];
                double min, max, spread = kt_cgroup_spread_pct(g, &min, &max);

                worst = spread > worst ? spread : worst;
                if (spread <= limit)
                        continue;
                double window = (double)(w->stopped_ns - w->started_ns);
                struct kt_check_result *r = add(c, "spread",
                                                blame(c, w->started_ns, w->stopped_ns,
                                                      (uint64_t)(window * (spread - limit) / 100.0)));
                r->value = spread;
                r->threshold = limit;
                r->unit = "%";
                if (window < SPREAD_WINDOW_MIN_NS && r->outcome == KT_FAIL) {
                        r->outcome = KT_INCONCLUSIVE;
                        snprintf(r->text, sizeof(r->text),
                                 "spread=%.0f%% (threshold %.0f%%), but a workload of %.0f ms is too short "
                                 "to tell",
                                 spread, limit, window / (double)NS_PER_MS);
                        continue;
                }
                snprintf(r->text, sizeof(r->text),
                         "unfair cgroup: spread=%.0f%% (%.0f-%.0f%%) %zu workers on %u cpus (threshold "
                         "%.0f%%)",
                         spread, min, max, g->n_workers, kt_cgroup_cpus_used(g), limit);
                say_host(r);
        }
        if (c->n > before)
                return;
        struct kt_check_result *r = add(c, "spread", KT_PASS);
        r->value = worst;
        r->threshold = limit;
        r->unit = "%";
        snprintf(r->text, sizeof(r->text), "widest spread %.1f%% (threshold %.0f%%)", worst, limit);
}

static bool cpu_in(unsigned cpu, const unsigned *cpus, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (cpus[i] == cpu)
                        return true;
        return false;
}

static void check_isolation(struct checker *c)
{
        const struct kt_workload *w = c->workload;
        size_t before = c->n;
        bool any = false;

        for (size_t i = 0; i < w->n_cgroups; i++) {
                const struct kt_cgroup *g = &w->cgroups[i];

                if (!g->cpus)
                        continue;
                any = true;
                for (size_t j = 0; j < g->n_workers; j++)
                        for (size_t k = 0; k < g->workers[j].n_cpus_used; k++) {
                                unsigned cpu = g->workers[j].cpus_used[k];

                                if (cpu_in(cpu, g->cpus, g->n_cpus))
                                        continue;
                                snprintf(add(c, "isolation", KT_FAIL)->text,
                                         sizeof(((struct kt_check_result *)0)->text),
                                         "tid %lld of %s ran on cpu%u, outside its cpuset",
                                         (long long)g->workers[j].tid, g->name, cpu);
                        }
        }
        if (any && c->n == before)
                snprintf(add(c, "isolation", KT_PASS)->text, sizeof(((struct kt_check_result *)0)->text),
                         "every worker stayed in its cpuset");
}

int kt_check_all(const struct kt_workload *w, const struct kt_thresholds *t, kt_host_delay_cb delay,
                 void *userdata, struct kt_check_result **ret, size_t *ret_n)
{
        struct checker c = {.workload = w, .thresholds = t, .delay = delay, .userdata = userdata};

        if (t->not_starved)
                check_starved(&c);
        if (t->gap_ms >= 0)
                check_gap(&c);
        if (t->spread_pct >= 0)
                check_spread(&c);
        if (t->isolation)
                check_isolation(&c);
        if (c.oom) {
                free(c.results);
                return -ENOMEM;
        }
        *ret = c.results;
        *ret_n = c.n;
        return 0;
}
