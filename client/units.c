/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"

struct unit {
        const char *name;
        double factor;
};

/* A non-negative decimal with one of the units; "" among them is what a plain number means. */
static int parse_with_unit(const char *text, const struct unit *units, size_t n, double max, int64_t *ret)
{
        size_t len = strspn(text, "0123456789.");
        char number[32], *end;
        double value;

        if (len == 0 || len >= sizeof(number) || !isdigit((unsigned char)text[0]))
                return -EINVAL;
        memcpy(number, text, len);
        number[len] = '\0';
        value = strtod(number, &end);
        if (*end)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (strcmp(text + len, units[i].name) != 0)
                        continue;
                value *= units[i].factor;
                if (value < 1 || value > max)
                        return -ERANGE;
                *ret = (int64_t)(value + 0.5);
                return 0;
        }
        return -EINVAL;
}

int parse_duration(const char *text, int64_t *ret_ms)
{
        static const struct unit units[] = {{"", 1000},   {"s", 1000},    {"ms", 1},
                                            {"m", 60000}, {"min", 60000}, {"h", 3600000}};

        return parse_with_unit(text, units, KT_ARRAY_SIZE(units), 24.0 * 3600 * 1000, ret_ms);
}

int parse_size(const char *text, int64_t *ret_mib)
{
        static const struct unit units[] = {{"", 1},     {"M", 1},      {"MiB", 1},   {"MB", 1},
                                            {"G", 1024}, {"GiB", 1024}, {"GB", 1024}, {"T", 1048576}};

        return parse_with_unit(text, units, KT_ARRAY_SIZE(units), 4.0 * 1048576, ret_mib);
}

int parse_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
        char *end;
        long long n;

        errno = 0;
        n = strtoll(text, &end, 10);
        if (end == text || *end || isspace((unsigned char)*text))
                return -EINVAL;
        if (errno || n < min || n > max)
                return -ERANGE;
        *ret = n;
        return 0;
}

void format_place(int64_t ahead, int64_t wait_ms, char *buf, size_t size)
{
        static const struct {
                const char *name;
                int64_t ms;
        } units[] = {{"s", 1000}, {"min", 60000}, {"h", 3600000}};
        int n = ahead > 0 ? snprintf(buf, size, "%lld ahead", (long long)ahead)
                          : snprintf(buf, size, "next");
        size_t unit = 0;

        if (wait_ms < 0 || n < 0 || (size_t)n >= size)
                return;
        /* No finer than it can be known. */
        while (unit + 1 < KT_ARRAY_SIZE(units) && wait_ms > 120 * units[unit].ms)
                unit++;
        snprintf(buf + n, size - (size_t)n, ", about %lld %s",
                 wait_ms > 0 ? (long long)((wait_ms - 1) / units[unit].ms + 1) : 1LL, units[unit].name);
}

void format_span(int64_t ms, char *buf, size_t size)
{
        const long long s = ms / 1000;

        if (s < 60)
                snprintf(buf, size, "%lld s", s);
        else if (s < 3600)
                snprintf(buf, size, "%lld min %lld s", s / 60, s % 60);
        else
                snprintf(buf, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
}
