/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "openmetrics.h"

#include <string.h>

void openmetrics_family(FILE *f, const char *name, const char *type, const char *unit, const char *help)
{
        fprintf(f, "# TYPE %s %s\n", name, type);
        if (unit)
                fprintf(f, "# UNIT %s %s\n", name, unit);
        fprintf(f, "# HELP %s %s\n", name, help);
}

static void put_label(FILE *f, const char *label, const char *value)
{
        fprintf(f, "%s=\"", label);
        for (; *value; value++)
                if (*value == '\n')
                        fputs("\\n", f);
                else {
                        if (*value == '"' || *value == '\\')
                                putc('\\', f);
                        putc(*value, f);
                }
        putc('"', f);
}

/* name_suffix{label="value"}, and the blank before the number */
static void begin_sample(FILE *f, const char *name, const char *suffix, const char *label, const char *value)
{
        fprintf(f, "%s%s", name, suffix);
        if (label) {
                putc('{', f);
                put_label(f, label, value);
                putc('}', f);
        }
        putc(' ', f);
}

void openmetrics_sample(FILE *f, const char *name, const char *label, const char *label_value,
                        uint64_t value)
{
        begin_sample(f, name, "", label, label_value);
        fprintf(f, "%llu\n", (unsigned long long)value);
}

/* The value of `le` is compared as text by whoever reads it: shortest form, and always a float's ("1.0"). */
static void put_bucket(FILE *f, const char *name, const char *label, const char *label_value,
                       const char *bound, uint64_t count)
{
        fprintf(f, "%s_bucket{", name);
        if (label) {
                put_label(f, label, label_value);
                putc(',', f);
        }
        put_label(f, "le", bound);
        fprintf(f, "} %llu\n", (unsigned long long)count);
}

void openmetrics_histogram(FILE *f, const char *name, const char *label, const char *label_value,
                           const double *bounds, size_t n_bounds, const uint64_t *counts, double sum)
{
        uint64_t total = 0;
        char bound[32];

        for (size_t i = 0; i < n_bounds; i++) {
                total += counts[i];
                snprintf(bound, sizeof(bound), "%g", bounds[i]);
                if (!strpbrk(bound, ".e"))
                        strcat(bound, ".0");
                put_bucket(f, name, label, label_value, bound, total);
        }
        total += counts[n_bounds];
        put_bucket(f, name, label, label_value, "+Inf", total);
        begin_sample(f, name, "_count", label, label_value);
        fprintf(f, "%llu\n", (unsigned long long)total);
        begin_sample(f, name, "_sum", label, label_value);
        fprintf(f, "%.6f\n", sum);
}
