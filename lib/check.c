/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpus.h"

static struct kt_check_result *add(struct checker *c, enum kt_outcome outcome)
{
        static _Thread_local struct kt_check_result sink;

        if (c->n == c->allocated) {
                size_t allocated = c->allocated ? c->allocated * 2 : 16;
                struct kt_check_result *grown = realloc(c->results, allocated * sizeof(*grown));

                if (!grown) {
                        c->oom = true;
                        return &sink;
                }
                c->results = grown;
                c->allocated = allocated;
        }
        struct kt_check_result *r = &c->results[c->n++];
        *r = (struct kt_check_result){.name = c->threshold->check, .outcome = outcome, .unit = ""};
        return r;
}

/* How far a value is towards its limit; beyond it is above 1. */
static double nearness(const struct kt_threshold *t, double value, double limit)
{
        if (t->kind == KT_THRESHOLD_MIN)
                return value > 0 ? limit / value : limit > 0 ? 1e300 : 0;
        return limit > 0 ? value / limit : value > 0 ? 1e300 : 0;
}

void check_saw(struct checker *c, double value, double limit)
{
        if (!c->seen || nearness(c->threshold, value, limit) > nearness(c->threshold, c->value, c->limit)) {
                c->value = value;
                c->limit = limit;
        }
        c->seen = true;
}

/* Where a further miss goes when enough are told of: in place of one that weighs less, if there is one. */
static struct kt_check_result *replace(struct checker *c, enum kt_outcome outcome)
{
        static _Thread_local struct kt_check_result sink;

        for (size_t i = c->n; i-- > c->first;)
                if (c->results[i].outcome < outcome) {
                        c->results[i] = (struct kt_check_result){
                                .name = c->threshold->check, .outcome = outcome, .unit = ""};
                        return &c->results[i];
                }
        return &sink;
}

struct kt_check_result *check_missed_plain(struct checker *c, enum kt_outcome outcome)
{
        c->seen = true;
        return ++c->misses > KT_CHECK_MISSES_MAX ? replace(c, outcome) : add(c, outcome);
}

static void set_value(struct checker *c, struct kt_check_result *r, double value, double limit)
{
        r->has_value = true;
        r->value = value;
        r->threshold = limit;
        r->unit = c->threshold->unit;
}

struct kt_check_result *check_missed(struct checker *c, enum kt_outcome outcome, double value, double limit)
{
        struct kt_check_result *r = check_missed_plain(c, outcome);

        set_value(c, r, value, limit);
        return r;
}

enum kt_outcome check_blame(const struct checker *c, enum kt_delay of, uint64_t from_ns, uint64_t to_ns,
                            double missed_ns)
{
        if (c->delay && (double)c->delay(c->userdata, of, from_ns, to_ns) >= missed_ns)
                return KT_INCONCLUSIVE;
        return KT_FAIL;
}

static void append(struct kt_check_result *r, const char *fmt, va_list ap)
{
        size_t len = strlen(r->text);

        vsnprintf(r->text + len, sizeof(r->text) - len, fmt, ap);
}

void check_say_more(struct kt_check_result *r, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        append(r, fmt, ap);
        va_end(ap);
}

void check_say(struct kt_check_result *r, const char *fmt, ...)
{
        va_list ap;

        r->text[0] = '\0';
        va_start(ap, fmt);
        append(r, fmt, ap);
        va_end(ap);
        if (r->outcome == KT_INCONCLUSIVE)
                check_say_more(r, "; the host alone explains it");
}

struct check_window check_window_of(const struct kt_cgroup *g, const struct kt_worker *k)
{
        struct check_window w = {k->started_ns ? k->started_ns : g->started_ns,
                                 k->stopped_ns ? k->stopped_ns : g->stopped_ns, 0};

        if (w.to_ns < w.from_ns)
                w.to_ns = w.from_ns;
        w.running_ns = w.to_ns - w.from_ns;
        w.running_ns -= k->paused_ns < w.running_ns ? k->paused_ns : w.running_ns;
        return w;
}

static int compare_work(const void *a, const void *b)
{
        const struct kt_worker *const *x = a, *const *y = b;

        int r = strcmp((*x)->work ?: "", (*y)->work ?: "");

        return r ?: strcmp((*x)->role ?: "", (*y)->role ?: "");
}

bool check_is_whole(const struct kt_worker *k)
{
        return !k->exit;
}

const struct kt_worker **check_by_work(const struct kt_cgroup *g, size_t *ret_n)
{
        const struct kt_worker **sorted = calloc(g->n_workers ? g->n_workers : 1, sizeof(*sorted));
        size_t n = 0;

        *ret_n = 0;
        if (!sorted)
                return NULL;
        for (size_t i = 0; i < g->n_workers; i++)
                if (check_is_whole(&g->workers[i]))
                        sorted[n++] = &g->workers[i];
        qsort(sorted, n, sizeof(*sorted), compare_work);
        *ret_n = n;
        return sorted;
}

size_t check_same_work(const struct kt_worker *const *workers, size_t n)
{
        size_t same = 0;

        while (same < n && compare_work(&workers[0], &workers[same]) == 0)
                same++;
        return same;
}

double check_off_cpu_pct(const struct kt_worker *k)
{
        uint64_t paused = k->paused_ns < k->off_cpu_ns ? k->paused_ns : k->off_cpu_ns;

        if (k->wall_ns <= paused)
                return -1;
        return 100.0 * (double)(k->off_cpu_ns - paused) / (double)(k->wall_ns - paused);
}

static struct ktstr_cpus find_cpus(const struct kt_cgroup *g)
{
        struct ktstr_cpus used = {};

        for (size_t i = 0; i < g->n_workers; i++)
                cpus_join(&used, &g->workers[i].cpus_used);
        return used;
}

static struct ktstr_cpus find_allowed(const struct kt_workload *w, const struct kt_cgroup *g)
{
        const struct ktstr_cpus *usual = g->has_cpus ? &g->cpus : &w->cpus;
        struct ktstr_cpus allowed = {};

        for (size_t i = 0; i < g->n_workers; i++)
                cpus_join(&allowed, g->workers[i].has_cpus ? &g->workers[i].cpus : usual);
        return allowed;
}

unsigned kt_cgroup_cpus_used(const struct kt_cgroup *g)
{
        const struct ktstr_cpus used = find_cpus(g);

        return ktstr_cpus_count(&used);
}

double kt_cgroup_spread_pct(const struct kt_cgroup *g)
{
        size_t all;
        _cleanup_free_ const struct kt_worker **sorted = check_by_work(g, &all);
        double widest = 0;

        for (size_t i = 0, n; i < all; i += n) {
                double min = 100, max = 0;

                n = check_same_work(sorted + i, all - i);
                for (size_t j = i; j < i + n; j++) {
                        double pct = check_off_cpu_pct(sorted[j]);

                        if (pct < 0)
                                continue;
                        min = pct < min ? pct : min;
                        max = pct > max ? pct : max;
                }
                widest = max - min > widest ? max - min : widest;
        }
        return widest;
}

const struct ktstr_cpus *check_cpus_of(const struct checker *c, const struct kt_cgroup *g)
{
        return &c->used[g - c->workload->cgroups];
}

const struct ktstr_cpus *check_allowed_of(const struct checker *c, const struct kt_cgroup *g)
{
        return &c->allowed[g - c->workload->cgroups];
}

static double limit_of(const struct ktstr_checks *checks, const struct kt_threshold *t)
{
        if (t->kind == KT_THRESHOLD_SWITCH)
                return 0;
        return kt_threshold_number(*(const double *)((const char *)checks + t->offset));
}

static void make(struct checker *c, const struct check *check)
{
        const struct kt_workload *w = c->workload;
        bool on = false;

        c->threshold = kt_threshold_find(check->field);
        c->first = c->n;
        c->misses = 0;
        c->seen = false;
        for (size_t i = 0; i < w->n_cgroups; i++) {
                const struct kt_cgroup *g = &w->cgroups[i];
                const struct ktstr_checks *checks = &w->scenarios[g->scenario].checks;

                if (!kt_checks_has(checks, c->threshold))
                        continue;
                on = true;
                check->judge(c, g, limit_of(checks, c->threshold));
        }
        if (c->misses > KT_CHECK_MISSES_MAX && c->n > c->first)
                check_say_more(&c->results[c->n - 1], "; and %zu more like these",
                               c->misses - KT_CHECK_MISSES_MAX);
        if (c->misses > 0 || !on)
                return;
        if (!c->seen && check->missing)
                check_say_more(add(c, KT_INCONCLUSIVE), "%s", check->missing);
        if (!c->seen)
                return;
        struct kt_check_result *r = add(c, KT_PASS);
        if (c->threshold->kind != KT_THRESHOLD_SWITCH)
                set_value(c, r, c->value, c->limit);
        check->say(r);
}

int kt_check_all(const struct kt_workload *w, kt_host_delay_cb delay, void *userdata,
                 struct kt_check_result **ret, size_t *ret_n)
{
        const size_t n = w->n_cgroups ? w->n_cgroups : 1;
        _cleanup_free_ struct ktstr_cpus *used = calloc(n, sizeof(*used)),
                                         *allowed = calloc(n, sizeof(*allowed));
        struct checker c = {
                .workload = w, .delay = delay, .userdata = userdata, .used = used, .allowed = allowed};

        if (!used || !allowed)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_cgroups; i++) {
                used[i] = find_cpus(&w->cgroups[i]);
                allowed[i] = find_allowed(w, &w->cgroups[i]);
        }
        for (size_t i = 0; i < checks_progress_n; i++)
                make(&c, &checks_progress[i]);
        for (size_t i = 0; i < checks_rate_n; i++)
                make(&c, &checks_rate[i]);
        for (size_t i = 0; i < checks_memory_n; i++)
                make(&c, &checks_memory[i]);
        if (c.oom) {
                free(c.results);
                return -ENOMEM;
        }
        *ret = c.results;
        *ret_n = c.n;
        return 0;
}

uint64_t kt_check_round_ns(const struct kt_workload *w, uint64_t from_ns, uint64_t to_ns)
{
        _cleanup_free_ struct ktstr_cpus *allowed =
                calloc(w->n_cgroups ? w->n_cgroups : 1, sizeof(*allowed));
        const struct checker c = {.workload = w, .allowed = allowed};

        if (!allowed)
                return 0;
        for (size_t i = 0; i < w->n_cgroups; i++)
                allowed[i] = find_allowed(w, &w->cgroups[i]);
        return check_longest_round_ns(&c, from_ns, to_ns);
}
