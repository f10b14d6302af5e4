/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_version.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"

/* Its first `numbers` bytes are three numbers, the last of them 0. */
static bool is_first_of_its_series(const char *release, size_t numbers)
{
        unsigned dots = 0;

        for (size_t i = 0; i < numbers; i++)
                dots += release[i] == '.';
        return dots == 2 && strncmp(release + numbers - 2, ".0", 2) == 0;
}

char *kernel_version_of(const char *release)
{
        size_t len = strspn(release, "0123456789."), numbers;
        char *version;

        while (len > 0 && release[len - 1] == '.')
                len--;
        numbers = len;
        if (strncmp(release + len, "-rc", 3) == 0 && isdigit((unsigned char)release[len + 3]))
                len += 3 + strspn(release + len + 3, "0123456789");
        version = strndup(release, len);
        /* A kernel that calls itself 6.15.0-rc3 is kernel.org's, and everybody's, 6.15-rc3; 6.15.0 is 6.15.
         */
        if (version && is_first_of_its_series(release, numbers))
                memmove(version + numbers - 2, version + numbers, len - numbers + 1);
        return version;
}

#define RELEASED ULONG_MAX /* as a release candidate's number: later than all of them */

struct version {
        unsigned long n[4]; /* what is not written is 0: 6.18 is 6.18.0 */
        unsigned long rc;
        unsigned given; /* how many components are written */
};

/* Returns where it ends, NULL when there is none. */
static const char *parse_version(const char *text, struct version *ret)
{
        struct version v = {.rc = RELEASED};

        do {
                char *end;

                if (!isdigit((unsigned char)*text))
                        return NULL;
                v.n[v.given++] = strtoul(text, &end, 10);
                text = end;
        } while (v.given < KT_ARRAY_SIZE(v.n) && *text == '.' && isdigit((unsigned char)text[1]) && text++);
        if (strncmp(text, "-rc", 3) == 0 && isdigit((unsigned char)text[3])) {
                char *end;

                v.rc = strtoul(text + 3, &end, 10);
                text = end;
        }
        *ret = v;
        return text;
}

int kernel_version_compare(const char *a, const char *b)
{
        struct version x = {}, y = {};

        parse_version(a, &x);
        parse_version(b, &y);
        for (size_t i = 0; i < KT_ARRAY_SIZE(x.n); i++)
                if (x.n[i] != y.n[i])
                        return x.n[i] < y.n[i] ? -1 : 1;
        return x.rc < y.rc ? -1 : x.rc > y.rc;
}

bool kernel_version_is(const char *text)
{
        struct version v;
        const char *end = parse_version(text, &v);

        return end && *end == '\0' && v.given <= 3;
}

bool kernel_version_matches(const char *version, const char *wanted)
{
        struct version v, w;

        if (!parse_version(version, &v) || !parse_version(wanted, &w) || v.rc != w.rc)
                return false;
        for (size_t i = 0; i < KT_ARRAY_SIZE(v.n); i++)
                /* 6.15-rc3 is 6.15.0-rc3, and none of 6.15.1's. */
                if ((i < w.given || w.rc != RELEASED) && v.n[i] != w.n[i])
                        return false;
        return true;
}
