/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest's console said: the whole of it in a file, up to CONSOLE_FILE_MAX bytes, and its end in
 * memory. */

#include "../common/error.h"
#include "tail.h"

#define CONSOLE_FILE_MAX (64ULL << 20)
#define CONSOLE_TAIL_MAX (64U * 1024U)

struct console {
        struct tail tail;
        int fd;     /* -1: there is no file (yet), or no more is written to it */
        char *path; /* of the file that is made when something is said, or NULL */
        unsigned long long written;
};

/* path: created, 0600, an old one is truncated; NULL for none. */
int console_init(struct console *c, const char *path, struct kt_error *reterr);
void console_done(struct console *c);

/* Begin anew: the tail is forgotten, and what is said from now on goes to the file at path (or NULL), which
 * is made when the first of it comes. -ENOMEM, and nothing has changed. */
int console_keep(struct console *c, const char *path);

/* A file that cannot be written any more (a full disk) is closed and said so in the log. */
void console_add(struct console *c, const char *data, size_t size);

/* The line that tells most about why a guest died: the kernel's last "Kernel panic" line, or its last "BUG:"
 * or the like, or the last line there is; without time stamp; "" when there is none. Malloced, NULL when
 * memory is out. */
char *console_telling_line(const struct console *c);
