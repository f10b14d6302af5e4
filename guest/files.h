/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files from the host, written to the guest's root file system, which is memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/error.h"

struct file_writer {
        int fd;        /* of the file begun last; -1: none, or it is complete */
        char *path;    /* owned; NULL: none was begun */
        uint64_t left; /* bytes still to come */
};

void file_writer_init(struct file_writer *w);
void file_writer_done(struct file_writer *w);

/* The payload of a FILE frame: end the file before, begin this one (or make its symlink). -EINVAL: a path
 * that is not file_path_is_normal(); the errors of file_end(), of JSON, and the file system's -errno. */
int file_begin(struct file_writer *w, const void *payload, size_t size, struct kt_error *reterr);
/* Its next bytes. -EBADMSG: more than it has; or the file system's -errno, with what helps where it is full.
 */
int file_data(struct file_writer *w, const void *data, size_t size, struct kt_error *reterr);
/* No more will come: the last file must be complete, else -ENODATA. */
int file_end(struct file_writer *w, struct kt_error *reterr);

/* Absolute, without empty, '.' or '..' components. */
bool file_path_is_normal(const char *path);
