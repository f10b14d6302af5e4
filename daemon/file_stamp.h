/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tells, without reading it, that a file is the one it was: its inode, size and times (fstat(2)). */

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

struct file_stamp {
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec mtime, ctime;
};

struct file_stamp file_stamp_of(const struct stat *st);

/* A second change within one tick of the kernel's clock (inode times are no finer) does not show. */
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);
