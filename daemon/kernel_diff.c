/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"

static int by_text(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

/* --- configurations --- */

/* The lines "CONFIG_NAME=value" of a configuration, in the order of names, cut in two in place. */
struct setting {
        const char *option, *value;
};

struct settings {
        char *text;
        struct setting *items;
        size_t n;
};

static int by_option(const void *a, const void *b)
{
        return strcmp(((const struct setting *)a)->option, ((const struct setting *)b)->option);
}

static void settings_done(struct settings *s)
{
        free(s->items);
        free(s->text);
}

static size_t count_lines(const char *text)
{
        size_t n = 1;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static int settings_read(const char *config, struct settings *ret)
{
        struct settings s = {.text = strdup(config), .items = calloc(count_lines(config), sizeof(*s.items))};
        char *save = NULL;

        if (!s.text || !s.items) {
                settings_done(&s);
                return -ENOMEM;
        }
        for (char *line = strtok_r(s.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *equals = strchr(line, '=');

                if (!equals || strncmp(line, "CONFIG_", 7) != 0)
                        continue;
                *equals = '\0';
                if (strcmp(equals + 1, "n") != 0)
                        s.items[s.n++] = (struct setting){line, equals + 1};
        }
        qsort(s.items, s.n, sizeof(*s.items), by_option);
        *ret = s;
        return 0;
}

static int add_option(struct kernel_diff *d, const char *option, const char *a, const char *b)
{
        struct kernel_option *o = &d->options[d->n_options++];

        *o = (struct kernel_option){strdup(option), a ? strdup(a) : NULL, b ? strdup(b) : NULL};
        return !o->option || (a && !o->a) || (b && !o->b) ? -ENOMEM : 0;
}

static int compare_settings(struct kernel_diff *d, const struct settings *a, const struct settings *b)
{
        size_t i = 0, j = 0;
        int r = 0;

        d->options = calloc(a->n + b->n + 1, sizeof(*d->options));
        if (!d->options)
                return -ENOMEM;
        while (r >= 0 && (i < a->n || j < b->n)) {
                int which = i == a->n ? 1 : j == b->n ? -1 : by_option(&a->items[i], &b->items[j]);
                const struct setting *x = which <= 0 ? &a->items[i++] : NULL,
                                     *y = which >= 0 ? &b->items[j++] : NULL;

                if (!x || !y || strcmp(x->value, y->value) != 0)
                        r = add_option(d, x ? x->option : y->option, x ? x->value : NULL,
                                       y ? y->value : NULL);
        }
        return r;
}

static int compare_configs(struct kernel_diff *d, const char *a, const char *b)
{
        _cleanup_(settings_done) struct settings x = {}, y = {};
        int r = a && b ? settings_read(a, &x) : 0;

        if (r >= 0 && a && b)
                r = settings_read(b, &y);
        return r < 0 ? r : compare_settings(d, &x, &y);
}

/* --- names --- */

/* Borrowed from what they are names of, sorted. */
struct names {
        char **items;
        size_t n;
};

static void names_done(struct names *n)
{
        free(n->items);
}

static int names_of(char *const *strings, struct names *ret)
{
        size_t n = 0;

        while (strings && strings[n])
                n++;
        ret->items = calloc(n + 1, sizeof(char *));
        if (!ret->items)
                return -ENOMEM;
        ret->n = n;
        if (n > 0)
                memcpy(ret->items, strings, n * sizeof(char *));
        qsort(ret->items, n, sizeof(char *), by_text);
        return 0;
}

static int names_of_constants(const struct kernel_features *f, struct names *ret)
{
        ret->items = calloc(f->n_constants + 1, sizeof(char *));
        if (!ret->items)
                return -ENOMEM;
        for (; ret->n < f->n_constants; ret->n++)
                ret->items[ret->n] = f->constants[ret->n].name;
        qsort(ret->items, ret->n, sizeof(char *), by_text);
        return 0;
}

/* Those of x that y does not have. */
static int only_in(const struct names *x, const struct names *y, char ***ret)
{
        char **only = calloc(x->n + 1, sizeof(char *));
        size_t kept = 0;

        *ret = only;
        for (size_t i = 0; only && i < x->n; i++) {
                if (bsearch(&x->items[i], y->items, y->n, sizeof(char *), by_text))
                        continue;
                only[kept] = strdup(x->items[i]);
                if (!only[kept++])
                        return -ENOMEM;
        }
        return only ? 0 : -ENOMEM;
}

static int compare_names(struct kernel_names *ret, const struct names *a, const struct names *b)
{
        int r = only_in(a, b, &ret->a);

        return r < 0 ? r : only_in(b, a, &ret->b);
}

static int compare_strings(struct kernel_names *ret, char *const *a, char *const *b)
{
        _cleanup_(names_done) struct names x = {}, y = {};
        int r = names_of(a, &x);

        if (r >= 0)
                r = names_of(b, &y);
        return r < 0 ? r : compare_names(ret, &x, &y);
}

static int compare_constants(struct kernel_names *ret, const struct kernel_features *a,
                             const struct kernel_features *b)
{
        _cleanup_(names_done) struct names x = {}, y = {};
        int r = names_of_constants(a, &x);

        if (r >= 0)
                r = names_of_constants(b, &y);
        return r < 0 ? r : compare_names(ret, &x, &y);
}

static int compare_features(struct kernel_diff *d, const struct kernel_features *a,
                            const struct kernel_features *b)
{
        static const struct kernel_features none;
        bool both = a && b;
        int r = compare_strings(&d->kfuncs, both ? a->kfuncs : NULL, both ? b->kfuncs : NULL);

        if (r >= 0)
                r = compare_strings(&d->ops, both ? a->ops : NULL, both ? b->ops : NULL);
        if (r >= 0)
                r = compare_constants(&d->flags, both ? a : &none, both ? b : &none);
        return r;
}

int kernel_diff_new(const char *config_a, const char *config_b, const struct kernel_features *a,
                    const struct kernel_features *b, struct kernel_diff **ret)
{
        struct kernel_diff *d = calloc(1, sizeof(*d));
        int r = d ? compare_configs(d, config_a, config_b) : -ENOMEM;

        if (r >= 0)
                r = compare_features(d, a, b);
        if (r < 0) {
                kernel_diff_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

void kernel_diff_free(struct kernel_diff *d)
{
        if (!d)
                return;
        for (size_t i = 0; i < d->n_options; i++) {
                free(d->options[i].option);
                free(d->options[i].a);
                free(d->options[i].b);
        }
        free(d->options);
        free_strings(d->kfuncs.a), free_strings(d->kfuncs.b);
        free_strings(d->ops.a), free_strings(d->ops.b);
        free_strings(d->flags.a), free_strings(d->flags.b);
        free(d);
}
