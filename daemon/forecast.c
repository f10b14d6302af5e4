/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast.h"

/* One that runs longer than it was expected to is taken to be about to end, which is not the same as to have
 * ended. */
#define LEFT_AT_LEAST 0.125

static double more(double a, double b)
{
        return a > b ? a : b;
}

static double less(double a, double b)
{
        return a < b ? a : b;
}

static void learn(bool *known, double *mean, double value)
{
        *mean = *known ? *mean + (value - *mean) / 4 : value;
        *known = true;
}

void forecast_learn(struct forecast_times *t, const struct admission_job *job, uint64_t took_ms)
{
        if (job->command)
                learn(&t->command_known, &t->command_ms, (double)took_ms);
        else if (took_ms >= job->duration_ms)
                learn(&t->run_known, &t->run_besides_ms, (double)(took_ms - job->duration_ms));
}

double forecast_expect(const struct forecast_times *t, const struct admission_job *job)
{
        double ms;

        if (!t->run_known && !t->command_known)
                return FORECAST_UNKNOWN;
        if (job->command)
                ms = t->command_known ? t->command_ms : t->run_besides_ms;
        else
                ms = (double)job->duration_ms + (t->run_known ? t->run_besides_ms : t->command_ms);
        return less(ms, (double)job->timeout_ms);
}

/* 1: all of the host. */
static double share(const struct admission_capacity *c, const struct admission_job *job)
{
        const double cpus = job->cpus / more((double)admission_cpus(c), 1),
                     memory = job->memory_mib / more((double)c->memory_mib, 1);

        return job->alone ? 1 : less(more(cpus, memory), 1);
}

static double left_ms(double expected_ms, const struct admission_job *job, uint64_t now_ms)
{
        const double ran_ms = now_ms > job->started_ms ? (double)(now_ms - job->started_ms) : 0;

        return more(expected_ms - ran_ms, expected_ms * LEFT_AT_LEAST);
}

void forecast(struct admission *a, const struct forecast_times *t, const struct admission_capacity *capacity,
              uint64_t now_ms)
{
        struct admission_job *job;
        double work_ms = 0;
        bool known = true;
        unsigned ahead = 0;

        kt_list_for_each (it, &a->running) {
                const struct admission_job *runs = kt_list_entry(it, struct admission_job, link);
                const double expected_ms = forecast_expect(t, runs);

                known &= expected_ms >= 0;
                work_ms += share(capacity, runs) * left_ms(expected_ms, runs, now_ms);
        }
        for (admission_ahead_begin(a); (job = admission_ahead_next(a)); ahead++) {
                const double expected_ms = forecast_expect(t, job);

                job->ahead = ahead;
                job->wait_ms = known ? (int64_t)(work_ms + 0.999) : FORECAST_UNKNOWN;
                known &= expected_ms >= 0;
                work_ms += share(capacity, job) * expected_ms;
        }
}
