/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does every worker get on, evenly and where it may? */
#include "check_internal.h"

#include <string.h>

#include "cpus.h"

/* Shares of a window of few time slices are a matter of who came first. */
#define SPREAD_WINDOW_MIN_NS 1e9

/* So many have one turn each, in slices of sched_ext's default (SCX_SLICE_DFL, 20 ms). */
static uint64_t turns_ns(size_t workers, const struct ktstr_cpus *cpus)
{
        unsigned n = ktstr_cpus_count(cpus);

        return workers * 20 * NS_PER_MS / (n ? n : 1);
}

/* How long it takes until each worker has had a turn on the CPUs that it may use, be they used or not: in
 * the cgroup, and among all that ran at the same time. */
static uint64_t round_ns(const struct checker *c, const struct kt_cgroup *of)
{
        const struct kt_workload *w = c->workload;
        struct ktstr_cpus all = {};
        size_t workers = 0;
        uint64_t own, common;

        for (size_t i = 0; i < w->n_cgroups; i++) {
                const struct kt_cgroup *g = &w->cgroups[i];

                if (g->started_ns > of->stopped_ns || g->stopped_ns < of->started_ns)
                        continue;
                workers += g->n_workers;
                cpus_join(&all, check_allowed_of(c, g));
        }
        common = turns_ns(workers, &all);
        own = turns_ns(of->n_workers, check_allowed_of(c, of));
        return own > common ? own : common;
}

/* And among those of its cgroup that are bound to the same CPUs. */
static uint64_t bound_round_ns(const struct kt_cgroup *g, const struct kt_worker *k)
{
        size_t workers = 0;

        if (!k->has_cpus)
                return 0;
        for (size_t i = 0; i < g->n_workers; i++)
                workers += g->workers[i].has_cpus &&
                           memcmp(&g->workers[i].cpus, &k->cpus, sizeof(k->cpus)) == 0;
        return turns_ns(workers, &k->cpus);
}

uint64_t check_longest_round_ns(const struct checker *c, uint64_t from_ns, uint64_t to_ns)
{
        const struct kt_workload *w = c->workload;
        uint64_t longest = 0;

        for (size_t i = 0; i < w->n_cgroups; i++) {
                const struct kt_cgroup *g = &w->cgroups[i];
                uint64_t round;

                if (g->started_ns > to_ns || g->stopped_ns < from_ns)
                        continue;
                round = round_ns(c, g);
                for (size_t k = 0; k < g->n_workers; k++) {
                        const uint64_t bound = bound_round_ns(g, &g->workers[k]);

                        round = bound > round ? bound : round;
                }
                longest = round > longest ? round : longest;
        }
        return longest;
}

/* Whoever waits for a turn among so many is not starved by the scheduler. */
static void say_crowded(struct kt_check_result *r, const struct kt_cgroup *g, const struct kt_worker *k,
                        uint64_t round, uint64_t limit)
{
        const uint64_t bound = bound_round_ns(g, k);

        if (bound > round)
                round = bound;
        if (r->outcome != KT_FAIL || round <= limit)
                return;
        r->outcome = KT_INCONCLUSIVE;
        check_say_more(r, "; with so many workers a round takes up to %llums",
                       (unsigned long long)(round / NS_PER_MS));
}

static void judge_starved(struct checker *c, const struct kt_cgroup *g, double limit)
{
        uint64_t round = round_ns(c, g);

        for (size_t i = 0; i < g->n_workers; i++) {
                const struct kt_worker *k = &g->workers[i];
                struct check_window w = check_window_of(g, k);

                if (!check_is_whole(k))
                        continue;
                if (k->work_units > 0 || (w.running_ns == 0 && k->paused_ns > 0)) {
                        check_saw(c, 0, 0);
                        continue;
                }
                struct kt_check_result *r = check_missed_plain(
                        c, check_blame(c, KT_DELAY_OF_ONE, w.from_ns, w.to_ns, (double)w.running_ns));
                check_say(r, "tid %lld starved (0 work units)", (long long)k->tid);
                say_crowded(r, g, k, round, w.running_ns);
        }
}

static void say_starved(struct kt_check_result *r)
{
        check_say(r, "every worker made progress");
}

static void judge_gap(struct checker *c, const struct kt_cgroup *g, double limit)
{
        uint64_t limit_ns = (uint64_t)(limit * (double)NS_PER_MS), round = round_ns(c, g);

        for (size_t i = 0; i < g->n_workers; i++) {
                const struct kt_worker *k = &g->workers[i];
                double gap_ms = (double)k->max_gap_ns / (double)NS_PER_MS;
                uint64_t start = k->started_ns ? k->started_ns : g->started_ns;
                uint64_t end = start + k->max_gap_at_ns;
                uint64_t begin = end > k->max_gap_ns ? end - k->max_gap_ns : 0;

                if (k->max_gap_ns <= limit_ns) {
                        check_saw(c, gap_ms, limit);
                        continue;
                }
                struct kt_check_result *r = check_missed(
                        c, check_blame(c, KT_DELAY_OF_ONE, begin, end, (double)(k->max_gap_ns - limit_ns)),
                        gap_ms, limit);
                check_say(r, "tid %lld stuck %.0fms on cpu%lld at +%llums (threshold %.0fms)",
                          (long long)k->tid, gap_ms, (long long)k->max_gap_cpu,
                          (unsigned long long)(k->max_gap_at_ns / NS_PER_MS), limit);
                say_crowded(r, g, k, round, limit_ns);
        }
}

static void say_gap(struct kt_check_result *r)
{
        check_say(r, "longest gap %.0fms (threshold %.0fms)", r->value, r->threshold);
}

/* Among n workers that do the same. */
static void judge_team_spread(struct checker *c, const struct kt_cgroup *g,
                              const struct kt_worker *const *workers, size_t n, double limit)
{
        double min = 100, max = 0, spread;
        uint64_t window = g->stopped_ns - g->started_ns;
        const char *role = workers[0]->role;

        for (size_t i = 0; i < n; i++) {
                double pct = check_off_cpu_pct(workers[i]);

                if (pct < 0)
                        continue;
                min = pct < min ? pct : min;
                max = pct > max ? pct : max;
        }
        spread = max > min ? max - min : 0;
        if (spread <= limit) {
                check_saw(c, spread, limit);
                return;
        }
        struct kt_check_result *r =
                check_missed(c,
                             check_blame(c, KT_DELAY_OF_ONE, g->started_ns, g->stopped_ns,
                                         (double)window * (spread - limit) / 100.0),
                             spread, limit);
        if ((double)window < SPREAD_WINDOW_MIN_NS && r->outcome == KT_FAIL) {
                r->outcome = KT_INCONCLUSIVE;
                check_say_more(r,
                               "spread=%.0f%% (threshold %.0f%%), but a workload of %.0f ms is too short to "
                               "tell",
                               spread, limit, (double)window / (double)NS_PER_MS);
                return;
        }
        check_say(r,
                  "unfair cgroup: spread=%.0f%% (%.0f-%.0f%%) %zu workers%s%.32s on %u cpus (threshold "
                  "%.0f%%) in "
                  "%s",
                  spread, min, max, n, role ? " as " : "", role ?: "", ktstr_cpus_count(check_cpus_of(c, g)),
                  limit, g->name);
}

static void judge_spread(struct checker *c, const struct kt_cgroup *g, double limit)
{
        size_t all;
        _cleanup_free_ const struct kt_worker **sorted = check_by_work(g, &all);

        for (size_t i = 0, n; i < all; i += n) {
                n = check_same_work(sorted + i, all - i);
                judge_team_spread(c, g, sorted + i, n, limit);
        }
        c->oom |= !sorted;
}

static void say_spread(struct kt_check_result *r)
{
        check_say(r, "widest spread %.1f%% (threshold %.0f%%)", r->value, r->threshold);
}

static void judge_isolation(struct checker *c, const struct kt_cgroup *g, double limit)
{
        if (!g->has_cpus || !g->isolated)
                return;
        check_saw(c, 0, 0);
        for (size_t i = 0; i < g->n_workers; i++)
                for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                        if (ktstr_cpus_has(&g->workers[i].cpus_used, cpu) && !ktstr_cpus_has(&g->cpus, cpu))
                                check_say(check_missed_plain(c, KT_FAIL),
                                          "tid %lld of %.64s ran on cpu%u, outside its cpuset",
                                          (long long)g->workers[i].tid, g->name, cpu);
}

static void say_isolation(struct kt_check_result *r)
{
        check_say(r, "every worker stayed in its cpuset");
}

/* These are on by default: where there is nothing to look at nobody has asked. */
const struct check checks_progress[] = {
        {"not_starved", judge_starved, say_starved, NULL},
        {"max_gap_ms", judge_gap, say_gap, NULL},
        {"max_spread_pct", judge_spread, say_spread, NULL},
        {"isolation", judge_isolation, say_isolation, NULL},
};
const size_t checks_progress_n = KT_ARRAY_SIZE(checks_progress);
