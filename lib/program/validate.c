/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "validate.h"

#include <stdio.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../proto/limits.h"
#include "fields.h"

void validate_name(const char *name, const char *kind, struct subject *s)
{
        if (!name || !*name) {
                found(s, "name", "is not set: it is what results call %s", kind);
                return;
        }
        for (const char *p = name; *p; p++)
                if (*p == '/' || *p == '\\' || (unsigned char)*p < ' ' || *p == 0x7f) {
                        found(s, "name", "'%s' has a slash, a backslash or a control character in it", name);
                        return;
                }
}

static int or_default(int test, int scheduler, int otherwise)
{
        return test ? test : scheduler ? scheduler : otherwise;
}

/* At the first of the dimensions that are set here: what is inherited whole is the scheduler's. */
static void check_size(const struct ktstr_topology *own, const struct ktstr_topology *below,
                       const char *prefix, struct subject *s)
{
        const char *const at = own->llcs ? "llcs" : own->cores ? "cores" : own->threads ? "threads" : NULL;
        const int llcs = or_default(own->llcs, below->llcs, 1),
                  cores = or_default(own->cores, below->cores, 2),
                  threads = or_default(own->threads, below->threads, 1);
        char field[64];

        if (own->numa_nodes > (int)KT_NODES_MAX) {
                snprintf(field, sizeof(field), "%snuma_nodes", prefix);
                found(s, field, "is %d, and a guest can have at most %u", own->numa_nodes, KT_NODES_MAX);
        }
        if (!at || llcs <= 0 || cores <= 0 || threads <= 0)
                return;
        /* By divisions: their product may be beyond all bounds. */
        if ((unsigned)llcs > KT_CPUS_MAX || (unsigned)cores > KT_CPUS_MAX / (unsigned)llcs ||
            (unsigned)threads > KT_CPUS_MAX / (unsigned)llcs / (unsigned)cores) {
                snprintf(field, sizeof(field), "%s%s", prefix, at);
                found(s, field,
                      "%d LLCs of %d cores of %d threads are more CPUs than the %u that a guest can have",
                      llcs, cores, threads, KT_CPUS_MAX);
        }
}

void validate_topology(const struct ktstr_topology *scheduler, const struct ktstr_topology *test,
                       const char *prefix, struct subject *s)
{
        static const struct ktstr_topology none;
        const struct ktstr_topology *own = test ? test : scheduler, *below = test ? scheduler : &none;
        int nodes = or_default(own->numa_nodes, below->numa_nodes, 1),
            llcs = or_default(own->llcs, below->llcs, 1);
        char field[64];

        fields_check(&topology_fields, own, prefix, s);
        check_size(own, below, prefix, s);
        /* What is inherited whole is the scheduler's fault. */
        if ((own->llcs || own->numa_nodes) && nodes > 0 && llcs > 0 && llcs % nodes) {
                snprintf(field, sizeof(field), "%sllcs", prefix);
                found(s, field,
                      "%d is not a multiple of numa_nodes, which is %d: llcs counts those of all nodes",
                      llcs, nodes);
        }
}

/* A bound that is unset below and has a default, or is off. */
static void check_bounds(const char *prefix, const char *what, int min, int max, struct subject *s)
{
        char field[64];

        if (min <= 0 || max <= 0 || min <= max)
                return;
        snprintf(field, sizeof(field), "%smin_%s", prefix, what);
        found(s, field, "%d is more than max_%s, which is %d: no preset of the gauntlet can have that", min,
              what, max);
}

void validate_constraints(const struct ktstr_constraints *scheduler, const struct ktstr_constraints *test,
                          struct subject *s)
{
        static const struct ktstr_constraints none;
        const struct ktstr_constraints *own = test ? test : scheduler, *below = test ? scheduler : &none;
        const char *prefix = test ? "" : "constraints.";

        fields_check(&constraint_fields, own, prefix, s);
        if (own->min_llcs || own->max_llcs)
                check_bounds(prefix, "llcs", or_default(own->min_llcs, below->min_llcs, 1),
                             or_default(own->max_llcs, below->max_llcs, 12), s);
        if (own->min_cpus || own->max_cpus)
                check_bounds(prefix, "cpus", or_default(own->min_cpus, below->min_cpus, 1),
                             or_default(own->max_cpus, below->max_cpus, 192), s);
        if (own->min_numa_nodes || own->max_numa_nodes)
                check_bounds(prefix, "numa_nodes", or_default(own->min_numa_nodes, below->min_numa_nodes, 1),
                             or_default(own->max_numa_nodes, below->max_numa_nodes, 1), s);
}

static bool same(const char *a, const char *b)
{
        return a && b && strcmp(a, b) == 0;
}

/* Results are told apart by names. */
static void check_scheduler_twice(const struct program *p, size_t i, struct subject *s)
{
        for (size_t k = 0; k < i; k++)
                if (same(p->schedulers[k]->name, p->schedulers[i]->name)) {
                        found(s, "name", "'%s' is also that of %s, at %s:%d", p->schedulers[i]->name,
                              p->schedulers[k]->ident, p->schedulers[k]->file, p->schedulers[k]->line);
                        return;
                }
}

static void check_test_twice(const struct program *p, size_t i, struct subject *s)
{
        for (size_t k = 0; k < i; k++)
                if (same(p->tests[k]->name, p->tests[i]->name)) {
                        found(s, "name", "there is another test '%s', at %s:%d", s->name, p->tests[k]->file,
                              p->tests[k]->line);
                        return;
                }
}

void validate_program(const struct program *p, struct findings *ret)
{
        *ret = (struct findings){0};
        for (size_t i = 0; i < p->n_schedulers; i++) {
                const struct ktstr_scheduler *d = p->schedulers[i];
                struct subject s = {ret, d->file, d->line, "scheduler", d->ident};

                validate_scheduler(d, &s);
                check_scheduler_twice(p, i, &s);
        }
        for (size_t i = 0; i < p->n_tests; i++) {
                const struct ktstr_test *t = p->tests[i];
                struct subject s = {ret, t->file, t->line, "test", t->name ? t->name : ""};

                validate_test(p, t, &s);
                check_test_twice(p, i, &s);
        }
}
