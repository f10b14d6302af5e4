/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * /etc/ld.so.cache, which ldconfig writes: library names and the paths where they are. The format
 * "glibc-ld.so.cache1.1" only, which glibc has written alone since 2.32. Every offset in the file is
 * checked.
 */

#include <stddef.h>

struct kt_ld_cache {
        char *data; /* owned; NULL: there is no cache */
        size_t size;
};

/* A cache that is missing, or in another format, is an empty one: the default folders are searched after it.
 * -ENOMEM and errors of reading are returned. */
int kt_ld_cache_load(const char *path, struct kt_ld_cache *ret);
void kt_ld_cache_done(struct kt_ld_cache *cache);

/* Paths for this name, one after the other, borrowed; NULL after the last. *at is 0 at first. Variants for
 * particular CPUs (glibc-hwcaps) are left out: the guest's CPU may be a lesser one. */
const char *kt_ld_cache_next(const struct kt_ld_cache *cache, const char *name, size_t *at);
