/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of CPUs, and the kernel's notation for them: "0-3,5,7-9". */
#include "cpus.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ktstr_cpus_has(const struct ktstr_cpus *set, unsigned cpu)
{
        return cpu < KTSTR_CPUS_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}

void ktstr_cpus_add(struct ktstr_cpus *set, unsigned cpu)
{
        if (cpu < KTSTR_CPUS_MAX)
                set->bits[cpu / 64] |= 1ULL << (cpu % 64);
}

unsigned ktstr_cpus_count(const struct ktstr_cpus *set)
{
        unsigned n = 0;

        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                n += (unsigned)__builtin_popcountll(set->bits[i]);
        return n;
}

/* A number below KTSTR_CPUS_MAX at *p, which goes behind it. */
static bool parse_number(const char **p, unsigned *ret)
{
        unsigned n = 0;

        if (!isdigit((unsigned char)**p))
                return false;
        for (; isdigit((unsigned char)**p); (*p)++) {
                n = n * 10 + (unsigned)(**p - '0');
                if (n >= KTSTR_CPUS_MAX)
                        return false;
        }
        *ret = n;
        return true;
}

bool ktstr_cpus_parse(const char *list, struct ktstr_cpus *ret)
{
        struct ktstr_cpus set = {};
        const char *p = list;

        /* sysfs has an empty line for an empty set. */
        while (*p && *p != '\n') {
                unsigned first, last;

                if (!parse_number(&p, &first))
                        return false;
                last = first;
                if (*p == '-' && (p++, !parse_number(&p, &last)))
                        return false;
                if (last < first)
                        return false;
                for (unsigned cpu = first; cpu <= last; cpu++)
                        ktstr_cpus_add(&set, cpu);
                if (*p == ',' && p[1] && p[1] != '\n')
                        p++;
                else if (*p && *p != '\n')
                        return false;
        }
        if (*p == '\n' && p[1])
                return false;
        *ret = set;
        return true;
}

char *ktstr_cpus_format(const struct ktstr_cpus *set, char *text, size_t size)
{
        size_t len = 0;

        if (size)
                text[0] = '\0';
        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++) {
                unsigned first = cpu;
                char range[24];
                size_t n;

                if (!ktstr_cpus_has(set, cpu))
                        continue;
                while (ktstr_cpus_has(set, cpu + 1))
                        cpu++;
                if (cpu > first)
                        n = (size_t)snprintf(range, sizeof(range), "%s%u-%u", len ? "," : "", first, cpu);
                else
                        n = (size_t)snprintf(range, sizeof(range), "%s%u", len ? "," : "", first);
                /* Half a range would be another set. */
                if (len + n >= size)
                        break;
                memcpy(text + len, range, n + 1);
                len += n;
        }
        return text;
}

struct ktstr_cpus cpus_and(const struct ktstr_cpus *a, const struct ktstr_cpus *b)
{
        struct ktstr_cpus both;

        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                both.bits[i] = a->bits[i] & b->bits[i];
        return both;
}

struct ktstr_cpus cpus_without(const struct ktstr_cpus *a, const struct ktstr_cpus *b)
{
        struct ktstr_cpus rest;

        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                rest.bits[i] = a->bits[i] & ~b->bits[i];
        return rest;
}

void cpus_join(struct ktstr_cpus *set, const struct ktstr_cpus *more)
{
        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                set->bits[i] |= more->bits[i];
}

bool cpus_parse_ascending(const char *list, struct ktstr_cpus *ret)
{
        unsigned least = 0, n;

        for (const char *p = list; *p; p += *p != '\0') {
                if (!parse_number(&p, &n) || n < least || (*p && *p != ',' && *p != '-'))
                        return false;
                least = n + 1;
        }
        return ktstr_cpus_parse(list, ret);
}

bool cpus_within(const struct ktstr_cpus *set, const struct ktstr_cpus *of)
{
        struct ktstr_cpus both = cpus_and(set, of);

        return memcmp(&both, set, sizeof(both)) == 0;
}

unsigned cpus_nth(const struct ktstr_cpus *set, unsigned i)
{
        const unsigned count = ktstr_cpus_count(set);

        if (count == 0)
                return 0;
        i %= count;
        for (unsigned cpu = 0;; cpu++)
                if (ktstr_cpus_has(set, cpu) && i-- == 0)
                        return cpu;
}

void cpus_remove(struct ktstr_cpus *set, unsigned cpu)
{
        if (cpu < KTSTR_CPUS_MAX)
                set->bits[cpu / 64] &= ~(1ULL << (cpu % 64));
}

/* --- threads; the set is the kernel's mask --- */

int cpus_of_thread(pid_t tid, struct ktstr_cpus *ret)
{
        struct ktstr_cpus cpus = {};

        if (sched_getaffinity(tid, sizeof(cpus), (cpu_set_t *)cpus.bits) < 0)
                return -errno;
        *ret = cpus;
        return 0;
}

int cpus_bind_thread(pid_t tid, const struct ktstr_cpus *cpus)
{
        return sched_setaffinity(tid, sizeof(*cpus), (const cpu_set_t *)cpus->bits) < 0 ? -errno : 0;
}
