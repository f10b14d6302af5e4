/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker makes these for sections whose names are identifiers. Weak: a program may have no scheduler, or
 * nothing at all, and still links. */
#define HIDDEN_WEAK __attribute__((weak, visibility("hidden")))
extern const struct ktstr_scheduler *const __start_ktstr_schedulers[] HIDDEN_WEAK;
extern const struct ktstr_scheduler *const __stop_ktstr_schedulers[] HIDDEN_WEAK;
extern const struct ktstr_test *const __start_ktstr_tests[] HIDDEN_WEAK;
extern const struct ktstr_test *const __stop_ktstr_tests[] HIDDEN_WEAK;

/* What both kinds of declarations are ordered by. */
struct place {
        const void *declared;
        const char *file;
        size_t file_index; /* the first place at which the linker has something of that file */
        int line;
        size_t index;
};

void program_oom(void)
{
        fputs("out of memory\n", stderr);
        exit(1);
}

/* Compilers put variables into a section in any order. */
static int compare_places(const void *a, const void *b)
{
        const struct place *x = a, *y = b;

        if (x->file_index != y->file_index)
                return x->file_index < y->file_index ? -1 : 1;
        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return x->index < y->index ? -1 : x->index > y->index;
}

static void sort_places(struct place *places, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                size_t first = 0;

                while (first < i && strcmp(places[first].file, places[i].file) != 0)
                        first++;
                places[i].file_index = first;
                places[i].index = i;
        }
        qsort(places, n, sizeof(*places), compare_places);
}

/* So many places, at least one: an array of none would look like memory being out. */
static void *array_new(size_t n, size_t size)
{
        void *array = calloc(n ? n : 1, size);

        if (!array)
                program_oom();
        return array;
}

static const char *text_or(const char *text, const char *otherwise)
{
        return text ? text : otherwise;
}

static void read_schedulers(struct program *p, struct place *places)
{
        size_t n = (size_t)(__stop_ktstr_schedulers - __start_ktstr_schedulers);

        for (size_t i = 0; i < n; i++)
                places[i] = (struct place){.declared = __start_ktstr_schedulers[i],
                                           .file = text_or(__start_ktstr_schedulers[i]->file, "?"),
                                           .line = __start_ktstr_schedulers[i]->line};
        sort_places(places, n);
        for (size_t i = 0; i < n; i++)
                p->schedulers[i] = places[i].declared;
        p->n_schedulers = n;
}

static void read_tests(struct program *p, struct place *places)
{
        size_t n = (size_t)(__stop_ktstr_tests - __start_ktstr_tests);

        for (size_t i = 0; i < n; i++)
                places[i] = (struct place){.declared = __start_ktstr_tests[i],
                                           .file = text_or(__start_ktstr_tests[i]->file, "?"),
                                           .line = __start_ktstr_tests[i]->line};
        sort_places(places, n);
        for (size_t i = 0; i < n; i++)
                p->tests[i] = places[i].declared;
        p->n_tests = n;
}

struct program program_read(void)
{
        size_t n_schedulers = (size_t)(__stop_ktstr_schedulers - __start_ktstr_schedulers);
        size_t n_tests = (size_t)(__stop_ktstr_tests - __start_ktstr_tests);
        struct place *places = array_new(n_schedulers > n_tests ? n_schedulers : n_tests, sizeof(*places));
        struct program p = {
                .schedulers = array_new(n_schedulers, sizeof(*p.schedulers)),
                .tests = array_new(n_tests, sizeof(*p.tests)),
        };

        read_schedulers(&p, places);
        read_tests(&p, places);
        free(places);
        return p;
}

void program_done(struct program *p)
{
        free(p->schedulers);
        free(p->tests);
        *p = (struct program){0};
}

const struct ktstr_test *program_find_test(const struct program *p, const char *name)
{
        for (size_t i = 0; i < p->n_tests; i++)
                if (p->tests[i]->name && strcmp(p->tests[i]->name, name) == 0)
                        return p->tests[i];
        return NULL;
}

bool program_has_scheduler(const struct program *p, const struct ktstr_scheduler *s)
{
        for (size_t i = 0; i < p->n_schedulers; i++)
                if (p->schedulers[i] == s)
                        return true;
        return false;
}
