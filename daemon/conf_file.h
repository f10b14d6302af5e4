/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files in systemd's .conf style (systemd.syntax(7)): [Section], Key=value, comments after # and ;, a line
 * that goes on after a backslash at its end. Strict: what is no assignment to a key that there is, is an
 * error, and its text begins with FILE:LINE. What the keys mean is the caller's.
 */

#include <stddef.h>

#include "../common/error.h"

/* A line with those that it goes on with, and a whole file. */
#define CONF_LINE_MAX 8192U
#define CONF_FILE_MAX (1024U * 1024U)

struct conf_key {
        const char *section, *name;
};

struct conf_reader {
        const struct conf_key *keys; /* that there are */
        size_t n_keys;
        const char *manual; /* the page that has them, for messages */
        /* One assignment, in the order of the files; the last to a key is the one that counts. value has no
         * blanks around it, and is "" to go back to the default. where is FILE:LINE. Both are borrowed. An
         * error's text is about the value alone: place and key are put in front of it. */
        int (*assign)(size_t key, const char *value, const char *where, void *data, struct kt_error *reterr);
        void *data;
};

/* A file's text. -EINVAL, or what assign returned. */
int conf_parse(const char *path, const char *text, size_t size, const struct conf_reader *reader,
               struct kt_error *reterr);

/* A file; /dev/null is an empty one. -ENOENT without a text when there is none. */
int conf_read(const char *path, const struct conf_reader *reader, struct kt_error *reterr);

/* The *.conf in these folders (NULL-terminated), in the order of their names, whichever folder they are in.
 * Of files with one name the one in the first folder hides the others; as a link to /dev/null it does
 * nothing else. A folder that is not there is an empty one. */
int conf_read_dropins(const char *const *folders, const struct conf_reader *reader, struct kt_error *reterr);
