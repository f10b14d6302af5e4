/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a text that never ends: the last bytes of a console or of a child's standard error. NUL and
 * carriage return are dropped on the way in, the rest is kept as it came. */

#include <stddef.h>

struct tail {
        char *text; /* `len` bytes and a NUL; of these the last `keep` count */
        size_t len, keep;
};

/* keep: bytes. -ENOMEM. */
int tail_init(struct tail *t, size_t keep);
void tail_done(struct tail *t);

/* Forget all of it. */
void tail_clear(struct tail *t);

void tail_add(struct tail *t, const char *data, size_t size);

/* What is kept; borrowed until the next tail_add(), never NULL. */
const char *tail_text(const struct tail *t);

/* At most the last `lines` lines, without a line break at the end. Malloced; NULL when memory is out. */
char *tail_lines(const struct tail *t, unsigned lines);

/* The last line that is not blank, "" when there is none. Malloced; NULL when memory is out. */
char *tail_last_line(const struct tail *t);
