/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Versions as kernel.org's files have them: one to three numbers, perhaps a release candidate's. */

#include <stdbool.h>

struct version {
        unsigned part[3]; /* 6.14 is 6.14.0 */
        int parts;        /* how many were written: 1 to 3 */
        int rc;           /* 0: none */
};

/* false: it is none, as "next-20260101", "v6.14" and "6.15-rc" are none. */
bool version_parse(const char *text, struct version *ret);

/* Less than, equal to or greater than 0; a candidate comes before its release. */
int version_compare(const struct version *a, const struct version *b);

/* Is v one of "6.14.x" when of is 6.14, of "6.x" when it is 6? Candidates are of their series too. */
bool version_is_of(const struct version *v, const struct version *of);

/* As files are named: 6.14.0 is "6.14". */
#define VERSION_TEXT_MAX 64
void version_text(const struct version *v, char ret[static VERSION_TEXT_MAX]);
