/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "../common/cleanup.h"
#include "host.h"

#define BLANKS " \t"

/* Digits, and nothing of what else strtoull takes. Moves *text behind them. */
static int take_digits(const char **text, uint64_t *ret)
{
        const char *p = *text;
        uint64_t n = 0;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(n, 10U, &n) ||
                    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
                        return -ERANGE;
        if (p == *text)
                return -EINVAL;
        *text = p;
        *ret = n;
        return 0;
}

int config_number(const char *text, uint64_t *ret)
{
        uint64_t n;
        int r = take_digits(&text, &n);

        if (r < 0)
                return r;
        if (*text)
                return -EINVAL;
        *ret = n;
        return 0;
}

int config_size(const char *text, uint64_t *ret_bytes)
{
        static const char suffixes[] = "KMGT";
        uint64_t n;
        int r = take_digits(&text, &n);
        const char *suffix;

        if (r < 0)
                return r;
        if (strcmp(text, "%") == 0) {
                if (n > 100)
                        return -ERANGE;
                *ret_bytes = host_memory_bytes() / 100 * n;
                return 0;
        }
        suffix = *text ? strchr(suffixes, *text) : NULL;
        if (*text && (!suffix || text[1]))
                return -EINVAL;
        if (suffix && __builtin_mul_overflow(n, 1ULL << 10 * (suffix - suffixes + 1), &n))
                return -ERANGE;
        *ret_bytes = n;
        return 0;
}

int config_disk_size(const char *text, uint64_t *ret_bytes)
{
        if (strcmp(text, "infinity") == 0) {
                *ret_bytes = UINT64_MAX;
                return 0;
        }
        return strchr(text, '%') ? -EINVAL : config_size(text, ret_bytes);
}

int config_percent(const char *text, uint64_t *ret)
{
        uint64_t n;
        int r = take_digits(&text, &n);

        if (r < 0)
                return r;
        if (strcmp(text, "%") != 0)
                return -EINVAL;
        *ret = n;
        return 0;
}

/* A unit that the text begins with, moving *text behind it; 0 when it is none. */
static uint64_t take_unit(const char **text)
{
        static const struct {
                const char *names; /* each with a blank after it */
                uint64_t ms;
        } units[] = {
                {"ms msec ", 1},
                {"s sec second seconds ", 1000},
                {"m min minute minutes ", 60 * 1000},
                {"h hr hour hours ", 60 * 60 * 1000},
                {"d day days ", 24 * 60 * 60 * 1000},
                {"w week weeks ", 7 * 24 * 60 * 60 * 1000},
        };
        size_t n = strspn(*text, "abcdefghijklmnopqrstuvwxyz");

        for (size_t i = 0; n > 0 && i < KT_ARRAY_SIZE(units); i++)
                for (const char *name = units[i].names; *name; name = strchr(name, ' ') + 1)
                        if (strncmp(name, *text, n) == 0 && name[n] == ' ') {
                                *text += n;
                                return units[i].ms;
                        }
        return 0;
}

int config_span(const char *text, uint64_t *ret_ms)
{
        uint64_t sum = 0, n, unit;
        bool first = true;

        if (strcmp(text, "infinity") == 0) {
                *ret_ms = UINT64_MAX;
                return 0;
        }
        do {
                int r = take_digits(&text, &n);

                if (r < 0)
                        return r;
                text += strspn(text, BLANKS);
                /* Seconds go without saying where there is nothing else. */
                unit = first && !*text ? 1000 : take_unit(&text);
                if (unit == 0)
                        return -EINVAL;
                if (__builtin_mul_overflow(n, unit, &n) || __builtin_add_overflow(sum, n, &sum))
                        return -ERANGE;
                first = false;
                text += strspn(text, BLANKS);
        } while (*text);
        *ret_ms = sum;
        return 0;
}

int config_yes_no(const char *text, bool *ret)
{
        static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"},
                                               {"0", "1"},    {"n", "y"},        {"f", "t"}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                for (int value = 0; value < 2; value++)
                        if (strcasecmp(text, words[i][value]) == 0) {
                                *ret = value;
                                return 0;
                        }
        return -EINVAL;
}

int config_log_level(const char *text, int *ret)
{
        static const struct {
                const char *name;
                int level;
        } levels[] = {{"error", LOG_ERR},
                      {"warning", LOG_WARNING},
                      {"notice", LOG_NOTICE},
                      {"info", LOG_INFO},
                      {"debug", LOG_DEBUG}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(levels); i++)
                if (strcmp(text, levels[i].name) == 0) {
                        *ret = levels[i].level;
                        return 0;
                }
        return -EINVAL;
}
