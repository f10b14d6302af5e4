/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "distance.h"

#include <limits.h>
#include <string.h>

unsigned kt_edit_distance(const char *a, const char *b)
{
        size_t la = strlen(a), lb = strlen(b);
        unsigned row[64];

        if (la > 63 || lb > 63)
                return UINT_MAX;
        for (size_t j = 0; j <= lb; j++)
                row[j] = (unsigned)j;
        for (size_t i = 1; i <= la; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= lb; j++) {
                        unsigned best = diagonal + (a[i - 1] != b[j - 1]);

                        best = row[j] + 1 < best ? row[j] + 1 : best;
                        best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                        diagonal = row[j];
                        row[j] = best;
                }
        }
        return row[lb];
}

struct kt_nearest kt_nearest_to(const char *wanted)
{
        /* A third of it may be wrong, and one letter more. */
        return (struct kt_nearest){.wanted = wanted, .best = (unsigned)strlen(wanted) / 3 + 2};
}

void kt_nearest_offer(struct kt_nearest *n, const char *name)
{
        const unsigned d = kt_edit_distance(n->wanted, name);

        if (d < n->best) {
                n->best = d;
                n->name = name;
        }
}
