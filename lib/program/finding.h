/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is wrong with a program's declarations, each with its place. */

#include <stdbool.h>
#include <stddef.h>

struct finding {
        const char *file; /* these four are the declaration's */
        int line;
        const char *kind; /* "test" or "scheduler" */
        const char *name;
        char *field;   /* owned; "checks.max_gap_ms" */
        char *message; /* owned */
};

struct findings {
        struct finding *list; /* owned */
        size_t n;
};

void findings_done(struct findings *f);

/* The declaration that is looked at. */
struct subject {
        struct findings *findings;
        const char *file;
        int line;
        const char *kind, *name;
};

/* Note that something is wrong with a field of it. Ends the program when memory is out. */
void found(struct subject *s, const char *field, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
