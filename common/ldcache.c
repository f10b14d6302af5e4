/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldcache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fsutil.h"

#define CACHE_SIZE_MAX (64U << 20)

static const char magic[] = "glibc-ld.so.cache1.1";

struct cache_header {
        char magic[20];
        uint32_t n_entries;
        uint32_t strings_size;
        uint8_t flags;
        uint8_t unused[3];
        uint32_t extension_offset;
        uint32_t unused2[3];
};
_Static_assert(sizeof(struct cache_header) == 48, "as glibc lays it out");

struct cache_entry {
        int32_t flags;
        uint32_t key;   /* offset of the name, from the file's start */
        uint32_t value; /* offset of the path */
        uint32_t os_version;
        uint64_t hwcap;
};
_Static_assert(sizeof(struct cache_entry) == 24, "as glibc lays it out");

int kt_ld_cache_load(const char *path, struct kt_ld_cache *ret)
{
        struct kt_ld_cache cache = {0};
        int r;

        r = kt_read_file(AT_FDCWD, path, CACHE_SIZE_MAX, &cache.data, &cache.size);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r >= 0 &&
            (cache.size < sizeof(struct cache_header) || memcmp(cache.data, magic, sizeof(magic) - 1) != 0))
                kt_ld_cache_done(&cache);
        *ret = cache;
        return 0;
}

void kt_ld_cache_done(struct kt_ld_cache *cache)
{
        free(cache->data);
        *cache = (struct kt_ld_cache){0};
}

static size_t count_entries(const struct kt_ld_cache *cache)
{
        struct cache_header header;
        size_t there;

        if (!cache->data)
                return 0;
        memcpy(&header, cache->data, sizeof(header));
        there = (cache->size - sizeof(header)) / sizeof(struct cache_entry);
        return header.n_entries < there ? header.n_entries : there;
}

/* The data has a NUL behind its last byte, so that each offset inside begins a string. */
static const char *string_at(const struct kt_ld_cache *cache, uint32_t offset)
{
        return offset < cache->size ? cache->data + offset : NULL;
}

const char *kt_ld_cache_next(const struct kt_ld_cache *cache, const char *name, size_t *at)
{
        size_t n = count_entries(cache);

        while (*at < n) {
                struct cache_entry entry;
                const char *key, *value;

                memcpy(&entry, cache->data + sizeof(struct cache_header) + (*at)++ * sizeof(entry),
                       sizeof(entry));
                key = string_at(cache, entry.key);
                value = string_at(cache, entry.value);
                if (entry.hwcap == 0 && key && value && *value == '/' && strcmp(key, name) == 0)
                        return value;
        }
        return NULL;
}
