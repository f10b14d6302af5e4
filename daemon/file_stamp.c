/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_stamp.h"

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

struct file_stamp file_stamp_of(const struct stat *st)
{
        return (struct file_stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
        return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
               same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}
