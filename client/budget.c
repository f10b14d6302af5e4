/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "budget.h"

#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"

#define MANY_WORKERS 4U

/* --- features --- */

/* Features are given out in the order in which they are asked for: each group has its own bits. */
struct features {
        unsigned next;
        uint64_t bits;
};

static void add_one_of(struct features *f, unsigned which, unsigned of)
{
        f->bits |= UINT64_C(1) << (f->next + which);
        f->next += of;
}

static void add_if(struct features *f, bool is)
{
        f->bits |= (uint64_t)is << f->next++;
}

/* The first limit that is not exceeded. */
static void add_bucket(struct features *f, uint64_t value, const uint64_t *limits, unsigned n_limits)
{
        unsigned i = 0;

        while (i < n_limits && value > limits[i])
                i++;
        add_one_of(f, i, n_limits + 1);
}
#define ADD_BUCKET(f_, value_, ...)                                                                         \
        add_bucket(f_, value_, (const uint64_t[]){__VA_ARGS__},                                             \
                   sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* FNV-1a. */
static void add_hash(struct features *f, const char *name)
{
        uint32_t hash = 2166136261U;

        for (; name && *name; name++)
                hash = (hash ^ (unsigned char)*name) * 16777619U;
        /* Its low bits are those of the last letter alone. */
        add_one_of(f, (hash >> 24) % 4, 4);
}

static unsigned cell_cpus(const struct budget_cell *c)
{
        return c->llcs * c->cores * c->threads;
}

static uint64_t features_of(const struct budget_cell *c)
{
        struct features f = {};

        add_hash(&f, c->scheduler);
        add_hash(&f, c->test);
        add_hash(&f, c->kernel);
        ADD_BUCKET(&f, cell_cpus(c), 8, 16, 64, 128);
        ADD_BUCKET(&f, c->llcs, 1, 2, 4, 8);
        ADD_BUCKET(&f, c->numa_nodes, 1, 2, 4);
        ADD_BUCKET(&f, c->duration_ms, 2000, 10000);
        add_if(&f, c->threads > 1);
        add_if(&f, c->workers > MANY_WORKERS);
        add_if(&f, c->expect_err);
        add_if(&f, c->payload);
        add_if(&f, c->host_only);
        add_if(&f, c->gauntlet);
        return f.bits;
}

static unsigned count(uint64_t bits)
{
        return (unsigned)__builtin_popcountll(bits);
}

/* --- time --- */

/* The scale is what boots took on two cores, without a template; see budget.h. */
uint64_t budget_guest_ms(unsigned cpus, bool emulated)
{
        return emulated ? 2500 + 300 * (uint64_t)cpus : 1000 + 25 * (uint64_t)cpus;
}

/* --- the choice --- */

/* Does a add more features an estimated second than b? */
static bool is_better(const struct budget_cell *a, const struct budget_cell *b, uint64_t covered)
{
        return count(a->features & ~covered) * b->estimate_ms >
               count(b->features & ~covered) * a->estimate_ms;
}

static struct budget_cell *best(struct budget_cell *cells, size_t n, uint64_t covered, uint64_t left_ms)
{
        struct budget_cell *found = NULL;

        for (struct budget_cell *c = cells; c < cells + n; c++)
                if (!c->chosen && c->estimate_ms <= left_ms && (c->features & ~covered) &&
                    (!found || is_better(c, found, covered)))
                        found = c;
        return found;
}

static void choose(struct budget_cell *c, struct budget *b, uint64_t *covered)
{
        c->chosen = true;
        *covered |= c->features;
        b->n_chosen++;
        b->used_ms += c->estimate_ms;
}

static int by_estimate(const void *a, const void *b)
{
        const struct budget_cell *x = *(struct budget_cell *const *)a, *y = *(struct budget_cell *const *)b;

        if (x->estimate_ms != y->estimate_ms)
                return x->estimate_ms < y->estimate_ms ? -1 : 1;
        return x < y ? -1 : 1; /* they are of one array: as in the list */
}

bool budget_choose(struct budget_cell *cells, size_t n, uint64_t budget_ms, bool emulated,
                   struct budget *ret)
{
        struct budget_cell **sorted = calloc(n + 1, sizeof(struct budget_cell *)), *c;
        uint64_t covered = 0, all = 0;

        *ret = (struct budget){.budget_ms = budget_ms, .n = n};
        if (!sorted)
                return false;
        for (size_t i = 0; i < n; i++) {
                c = sorted[i] = &cells[i];
                c->chosen = false;
                c->features = features_of(c);
                c->estimate_ms =
                        c->duration_ms + (c->host_only ? 0 : budget_guest_ms(cell_cpus(c), emulated));
                all |= c->features;
        }
        while ((c = best(cells, n, covered, budget_ms - ret->used_ms)))
                choose(c, ret, &covered);
        qsort(sorted, n, sizeof(*sorted), by_estimate);
        ret->shortest = n > 0 ? (size_t)(sorted[0] - cells) : 0;
        for (size_t i = 0; i < n; i++)
                if (!sorted[i]->chosen && sorted[i]->estimate_ms <= budget_ms - ret->used_ms)
                        choose(sorted[i], ret, &covered);
        free(sorted);
        ret->n_features = count(all);
        ret->n_covered = count(covered);
        return true;
}

char *budget_line(const struct budget *b)
{
        return kt_format("ktstr budget: %zu/%zu tests, %llu/%llus used, %u/%u configurations covered",
                         b->n_chosen, b->n, (unsigned long long)(b->used_ms + 999) / 1000,
                         (unsigned long long)(b->budget_ms + 999) / 1000, b->n_covered, b->n_features);
}
