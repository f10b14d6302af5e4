/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No version of the kernel has a number of more digits; and none of so many overflows. */
#define DIGITS_MAX 6

static bool number(const char **at, unsigned *ret)
{
        size_t digits = strspn(*at, "0123456789");

        if (digits == 0 || digits > DIGITS_MAX)
                return false;
        *ret = (unsigned)strtoul(*at, NULL, 10);
        *at += digits;
        return true;
}

bool version_parse(const char *text, struct version *ret)
{
        struct version v = {};
        const char *at = text;

        do {
                if (v.parts == 3 || !number(&at, &v.part[v.parts]))
                        return false;
                v.parts++;
        } while (*at == '.' && at++);
        if (strncmp(at, "-rc", 3) == 0) {
                unsigned rc;

                at += 3;
                if (v.parts == 1 || !number(&at, &rc) || rc == 0)
                        return false;
                v.rc = (int)rc;
        }
        if (*at)
                return false;
        *ret = v;
        return true;
}

int version_compare(const struct version *a, const struct version *b)
{
        for (int i = 0; i < 3; i++)
                if (a->part[i] != b->part[i])
                        return a->part[i] < b->part[i] ? -1 : 1;
        if (!a->rc || !b->rc)
                return (a->rc == 0) - (b->rc == 0);
        return (a->rc > b->rc) - (a->rc < b->rc);
}

bool version_is_of(const struct version *v, const struct version *of)
{
        for (int i = 0; i < of->parts; i++)
                if (v->part[i] != of->part[i])
                        return false;
        return true;
}

void version_text(const struct version *v, char ret[static VERSION_TEXT_MAX])
{
        int n = snprintf(ret, VERSION_TEXT_MAX, "%u.%u", v->part[0], v->part[1]);

        if (v->part[2])
                n += snprintf(ret + n, (size_t)(VERSION_TEXT_MAX - n), ".%u", v->part[2]);
        if (v->rc)
                snprintf(ret + n, (size_t)(VERSION_TEXT_MAX - n), "-rc%d", v->rc);
}
