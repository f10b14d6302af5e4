/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Square matrices of 64-bit numbers that fill a given part of the cache together: a, b, and a * b. */

#include "../body/worker.h"

struct matrix {
        size_t n;
        uint64_t *a, *b, *product;
};

struct matrix matrix_new(struct ktstr_worker *w, uint64_t kib);

/* With a progress point at least every 64 Ki units; a unit is one multiplication of two numbers. */
void matrix_multiply(struct ktstr_worker *w, struct matrix *m);
