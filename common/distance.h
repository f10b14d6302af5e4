/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Levenshtein's distance between two words, for "did you mean"; words beyond 63 characters count as far
 * apart. */
unsigned kt_edit_distance(const char *a, const char *b);

/* Of all names that are offered the one that may have been meant, once a name is found to be wrong:
 * borrowed; NULL: none is near. */
struct kt_nearest {
        const char *wanted; /* borrowed */
        const char *name;
        unsigned best;
};

struct kt_nearest kt_nearest_to(const char *wanted);
void kt_nearest_offer(struct kt_nearest *n, const char *name);
