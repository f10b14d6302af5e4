/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program that answers (apt, gpgv): run to its end, what it prints is kept. It dies with us. */

#include <stddef.h>

#include "../common/error.h"

struct capture {
        const char *const *argv; /* argv[0] is looked up in PATH */
        const char *dir;         /* where it runs, NULL: here */
        int in;                  /* its standard input; a descriptor below 1 is /dev/null */
        /* Each line of standard output as it comes, without its end; or NULL: kept in captured. */
        void (*on_line)(const char *line, void *data);
        void *data;
};

struct captured {
        int status;      /* as of a shell: 128 + N by signal N */
        char *out, *err; /* each with a NUL after it, never NULL after a run */
        size_t out_size, err_size;
};

void captured_done(struct captured *o);

/* In the C locale. -ENOENT when there is no such program; its own failure is in ret->status. -EFBIG when it
 * prints more than anybody wants. */
int capture(const struct capture *c, struct captured *ret, struct kt_error *reterr);

/* The last line that is not empty, cut out in place; NULL when there is none. */
char *last_line(char *text);
