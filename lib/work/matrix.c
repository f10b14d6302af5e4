/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "matrix.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define UNITS_A_CHUNK (64U * 1024)

static size_t side(uint64_t kib)
{
        const uint64_t numbers = kib * 1024 / sizeof(uint64_t) / 3;
        size_t n = 1;

        while ((n + 1) * (n + 1) <= numbers)
                n++;
        return n;
}

struct matrix matrix_new(struct ktstr_worker *w, uint64_t kib)
{
        struct matrix m = {.n = side(kib)};
        const size_t numbers = m.n * m.n;

        m.a = mmap(NULL, 3 * numbers * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
        if (m.a == MAP_FAILED)
                worker_die(w, "cannot have %llu KiB for matrices: %s", (unsigned long long)kib,
                           strerror(errno));
        m.b = m.a + numbers;
        m.product = m.b + numbers;
        for (size_t i = 0; i < 2 * numbers; i++)
                m.a[i] = i + 1;
        return m;
}

static uint64_t cell(const struct matrix *m, size_t row, size_t column)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < m->n; i++)
                sum += m->a[row * m->n + i] * m->b[i * m->n + column];
        return sum;
}

void matrix_multiply(struct ktstr_worker *w, struct matrix *m)
{
        uint64_t units = 0;

        for (size_t row = 0; row < m->n; row++)
                for (size_t column = 0; column < m->n; column++) {
                        m->product[row * m->n + column] = cell(m, row, column);
                        units += m->n;
                        if (units >= UNITS_A_CHUNK) {
                                worker_progress(w, units);
                                units = 0;
                        }
                }
        /* The next product is of other numbers, and this one is really made. */
        *(volatile uint64_t *)m->a += m->product[0];
        if (units > 0)
                worker_progress(w, units);
}
