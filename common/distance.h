/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Levenshtein's distance between two words, for "did you mean"; words beyond 63 characters count as far
 * apart. */
unsigned kt_edit_distance(const char *a, const char *b);
