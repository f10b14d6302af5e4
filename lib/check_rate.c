/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much do the workers get done, how soon do they run when woken, how often are they moved? */
#include "check_internal.h"

#include <math.h>

#define NS_PER_S 1e9

/* Per second of the time in which it could run; -1: it had none, or ended by itself in it. */
static double rate(const struct kt_cgroup *g, const struct kt_worker *k, uint64_t count)
{
        struct check_window w = check_window_of(g, k);

        return w.running_ns > 0 && check_is_whole(k) ? (double)count * NS_PER_S / (double)w.running_ns : -1;
}

/* --- throughput --- */

/* Standard deviation by mean of n workers' rates; -1: fewer than two had time, or none did anything. */
static double throughput_cv(const struct kt_cgroup *g, const struct kt_worker *const *workers, size_t n,
                            double *ret_mean)
{
        double sum = 0, squares = 0, mean;
        size_t with_time = 0;

        for (size_t i = 0; i < n; i++) {
                double r = rate(g, workers[i], workers[i]->work_units);

                with_time += r >= 0;
                sum += r >= 0 ? r : 0;
        }
        if (with_time < 2 || sum <= 0)
                return -1;
        mean = sum / (double)with_time;
        for (size_t i = 0; i < n; i++) {
                double r = rate(g, workers[i], workers[i]->work_units);

                squares += r >= 0 ? (r - mean) * (r - mean) : 0;
        }
        *ret_mean = mean;
        return sqrt(squares / (double)with_time) / mean;
}

/* Compared are workers that do the same: units of different work have nothing in common. */
static void judge_throughput(struct checker *c, const struct kt_cgroup *g, double limit)
{
        size_t all;
        _cleanup_free_ const struct kt_worker **sorted = check_by_work(g, &all);

        c->oom |= !sorted;
        for (size_t i = 0, n; i < all; i += n) {
                const char *role = sorted[i]->role;
                double mean, cv;

                n = check_same_work(sorted + i, all - i);
                cv = throughput_cv(g, sorted + i, n, &mean);
                if (cv < 0)
                        continue;
                if (cv <= limit) {
                        check_saw(c, cv, limit);
                        continue;
                }
                /* A figure of many workers: what kept them apart may have been done to each in turn. */
                double window = (double)(g->stopped_ns - g->started_ns);
                check_say(check_missed(c,
                                       check_blame(c, KT_DELAY_OF_ALL, g->started_ns, g->stopped_ns,
                                                   window * (cv - limit)),
                                       cv, limit),
                          "throughput CV %.3f exceeds limit %.3f (%.64s%s%.32s, mean=%.0f work/s)", cv,
                          limit, g->name, role ? " as " : "", role ?: "", mean);
        }
}

static void say_throughput(struct kt_check_result *r)
{
        check_say(r, "highest throughput CV %.3f (limit %.3f)", r->value, r->threshold);
}

/* --- rates --- */

/* Time that was not there makes a rate too low by its share. */
static enum kt_outcome blame_rate(const struct checker *c, struct check_window w, double value, double floor)
{
        return check_blame(c, KT_DELAY_OF_ONE, w.from_ns, w.to_ns,
                           (double)w.running_ns * (1 - value / floor));
}

static void judge_rate(struct checker *c, const struct kt_cgroup *g, double floor, bool iterations)
{
        for (size_t i = 0; i < g->n_workers; i++) {
                const struct kt_worker *k = &g->workers[i];
                double r = rate(g, k, iterations ? k->iterations : k->work_units);
                struct kt_check_result *missed;

                if (r >= floor)
                        check_saw(c, r, floor);
                if (r < 0 || r >= floor)
                        continue;
                missed = check_missed(c, blame_rate(c, check_window_of(g, k), r, floor), r, floor);
                if (iterations)
                        check_say(missed, "worker %lld iteration rate %.1f/s below floor %.1f/s",
                                  (long long)k->tid, r, floor);
                else
                        check_say(missed, "worker %lld throughput %.0f work/s below floor %.0f",
                                  (long long)k->tid, r, floor);
        }
}

static void judge_work_rate(struct checker *c, const struct kt_cgroup *g, double floor)
{
        judge_rate(c, g, floor, false);
}

static void say_work_rate(struct kt_check_result *r)
{
        check_say(r, "lowest throughput %.0f work/s (floor %.0f)", r->value, r->threshold);
}

static void judge_iteration_rate(struct checker *c, const struct kt_cgroup *g, double floor)
{
        judge_rate(c, g, floor, true);
}

static void say_iteration_rate(struct kt_check_result *r)
{
        check_say(r, "lowest iteration rate %.1f/s (floor %.1f/s)", r->value, r->threshold);
}

/* --- wake-ups --- */

static void judge_wake_latency(struct checker *c, const struct kt_cgroup *g, double limit)
{
        const struct kt_wakes *w = &g->wakes;

        if (w->count == 0)
                return;
        if ((double)w->p99_ns <= limit) {
                check_saw(c, (double)w->p99_ns, limit);
                return;
        }
        /* One in a hundred was too late by as much or more: so long the host must have been away. */
        double late = ceil((double)w->count / 100) * ((double)w->p99_ns - limit);
        check_say(check_missed(c, check_blame(c, KT_DELAY_OF_ALL, g->started_ns, g->stopped_ns, late),
                               (double)w->p99_ns, limit),
                  "p99 wake latency %lluns exceeds limit %.0fns (%.64s, %llu samples)",
                  (unsigned long long)w->p99_ns, limit, g->name, (unsigned long long)w->count);
}

static void say_wake_latency(struct kt_check_result *r)
{
        check_say(r, "highest p99 wake latency %.0fns (limit %.0fns)", r->value, r->threshold);
}

static void judge_wake_latency_cv(struct checker *c, const struct kt_cgroup *g, double limit)
{
        const struct kt_wakes *w = &g->wakes;

        if (w->count < 2)
                return;
        if (w->cv <= limit) {
                check_saw(c, w->cv, limit);
                return;
        }
        /* What the squares are too many by, as if of a single wake-up: so late it must have been for the
         * host to explain it. The median stands for the mean, which is not known. */
        double late = sqrt((double)w->count * (w->cv * w->cv - limit * limit)) * (double)w->p50_ns;
        check_say(check_missed(c, check_blame(c, KT_DELAY_OF_ALL, g->started_ns, g->stopped_ns, late), w->cv,
                               limit),
                  "wake latency CV %.3f exceeds limit %.3f (%.64s, %llu samples)", w->cv, limit, g->name,
                  (unsigned long long)w->count);
}

static void say_wake_latency_cv(struct kt_check_result *r)
{
        check_say(r, "highest wake latency CV %.3f (limit %.3f)", r->value, r->threshold);
}

/* --- migrations --- */

static void judge_migrations(struct checker *c, const struct kt_cgroup *g, double limit)
{
        double migrations = 0, iterations = 0, ratio;

        for (size_t i = 0; i < g->n_workers; i++) {
                migrations += (double)g->workers[i].migrations;
                iterations += (double)g->workers[i].iterations;
        }
        if (iterations <= 0)
                return;
        ratio = migrations / iterations;
        if (ratio <= limit)
                check_saw(c, ratio, limit);
        else
                check_say(check_missed(c, KT_FAIL, ratio, limit),
                          "migration ratio %.4f exceeds limit %.4f (%.64s, %.0f migrations in %.0f "
                          "iterations)",
                          ratio, limit, g->name, migrations, iterations);
}

static void say_migrations(struct kt_check_result *r)
{
        check_say(r, "highest migration ratio %.4f (limit %.4f)", r->value, r->threshold);
}

const struct check checks_rate[] = {
        {"max_throughput_cv", judge_throughput, say_throughput,
         "throughput CV: in no cgroup did two workers of one work and role get anything done"},
        {"min_work_rate", judge_work_rate, say_work_rate, "throughput: no worker had any time to run"},
        {"max_p99_wake_latency_ns", judge_wake_latency, say_wake_latency,
         "p99 wake latency: no wake-ups were measured; FutexFanOut, TimerLatency and Schbench measure them"},
        {"max_wake_latency_cv", judge_wake_latency_cv, say_wake_latency_cv,
         "wake latency CV: fewer than two wake-ups were measured; FutexFanOut, TimerLatency and Schbench "
         "measure them"},
        {"min_iteration_rate", judge_iteration_rate, say_iteration_rate,
         "iteration rate: no worker had any time to run"},
        {"max_migration_ratio", judge_migrations, say_migrations,
         "migration ratio: there were no iterations"},
};
const size_t checks_rate_n = KT_ARRAY_SIZE(checks_rate);
