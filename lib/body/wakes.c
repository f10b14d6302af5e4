/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wakes.h"

#include <errno.h>
#include <math.h>

/* More than this tells nothing more, and takes memory that the guest may not have. */
#define SAMPLES_MAX 262144U

struct sample {
        uint64_t ns;
        double weight; /* so many wake-ups it stands for */
};

struct pool {
        struct sample *samples;
        size_t n;
        double weight;
};

static uint64_t kept(const struct worker_counters *k)
{
        uint64_t n = atomic_load_explicit(&k->wake_count, memory_order_acquire);

        return n < WORKER_WAKES_MAX ? n : WORKER_WAKES_MAX;
}

/* Of the places, which are in the order of time until all are taken, from all parts. */
static void add_worker(struct pool *p, const struct worker_counters *k, uint64_t at_most)
{
        uint64_t there = kept(k), n = there < at_most ? there : at_most;

        for (uint64_t i = 0; i < n; i++)
                p->samples[p->n++] = (struct sample){.ns = k->wakes_ns[i * there / n],
                                                     .weight = (double)k->wake_count / (double)n};
        if (n)
                p->weight += (double)k->wake_count;
}

static int by_ns(const void *a, const void *b)
{
        const struct sample *x = a, *y = b;

        return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static uint64_t percentile(const struct pool *p, double fraction)
{
        double seen = 0;

        for (size_t i = 0; i < p->n; i++) {
                seen += p->samples[i].weight;
                if (seen >= p->weight * fraction)
                        return p->samples[i].ns;
        }
        return p->samples[p->n - 1].ns;
}

/* Standard deviation by mean. */
static double variation(const struct pool *p)
{
        double mean = 0, square = 0;

        for (size_t i = 0; i < p->n; i++)
                mean += (double)p->samples[i].ns * p->samples[i].weight / p->weight;
        for (size_t i = 0; i < p->n; i++) {
                double off = (double)p->samples[i].ns - mean;

                square += off * off * p->samples[i].weight / p->weight;
        }
        return mean > 0 ? sqrt(square) / mean : 0;
}

int wakes_of_group(const struct group *g, struct kt_wakes *ret)
{
        struct pool p = {};
        uint64_t count = 0, workers = 0, max = 0, at_most;

        *ret = (struct kt_wakes){};
        kt_list_for_each (it, &g->crews) {
                const struct crew *c = &kt_list_entry(it, struct group_crew, link)->crew;

                for (unsigned i = 0; i < c->n; i++) {
                        count += c->counters[i].wake_count;
                        workers += c->counters[i].wake_count > 0;
                        if (c->counters[i].wake_max_ns > max)
                                max = c->counters[i].wake_max_ns;
                }
        }
        if (count == 0)
                return 0;
        at_most = SAMPLES_MAX / workers < WORKER_WAKES_MAX ? SAMPLES_MAX / workers + 1 : WORKER_WAKES_MAX;
        p.samples = calloc(workers * at_most, sizeof(*p.samples));
        if (!p.samples)
                return -ENOMEM;
        kt_list_for_each (it, &g->crews) {
                const struct crew *c = &kt_list_entry(it, struct group_crew, link)->crew;

                for (unsigned i = 0; i < c->n; i++)
                        add_worker(&p, &c->counters[i], at_most);
        }
        qsort(p.samples, p.n, sizeof(*p.samples), by_ns);
        *ret = (struct kt_wakes){
                .count = count,
                .p50_ns = percentile(&p, 0.5),
                .p99_ns = percentile(&p, 0.99),
                .max_ns = max,
                .cv = variation(&p),
        };
        free(p.samples);
        return 0;
}
