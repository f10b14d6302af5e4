/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the entries take on disk, and which go when it is too much. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "kcache_internal.h"

#define MIB (1024.0 * 1024.0)

void kcache_set_max(struct kcache *c, uint64_t max_bytes)
{
        c->max_bytes = max_bytes;
}

uint64_t kcache_max(const struct kcache *c)
{
        return c->max_bytes;
}

/* --- what there is --- */

/* The folder itself, and one level of folders in it. */
static uint64_t folder_bytes(int dir_fd, bool descend)
{
        struct dirent **entries = NULL;
        int n = scandirat(dir_fd, ".", &entries, NULL, NULL);
        uint64_t bytes = 0;
        struct stat st;

        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;
                const bool is_parent = strcmp(name, "..") == 0, is_self = strcmp(name, ".") == 0;

                if (!is_parent && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                        _cleanup_close_ int sub =
                                descend && !is_self && S_ISDIR(st.st_mode)
                                        ? openat(dir_fd, name,
                                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                                        : -1;

                        bytes += sub >= 0 ? folder_bytes(sub, false) : (uint64_t)st.st_blocks * 512;
                }
                free(entries[i]);
        }
        free(entries);
        return bytes;
}

uint64_t kcache_folder_bytes(int dir_fd)
{
        return folder_bytes(dir_fd, true);
}

uint64_t kcache_entry_bytes(struct kcache *c, const char *key)
{
        _cleanup_close_ int fd = openat(c->root_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return (fd >= 0 ? kcache_folder_bytes(fd) : 0) + initramfs_bytes(c, key);
}

/* --- which goes --- */

static int64_t seconds_of(const char *iso8601)
{
        struct tm tm = {};
        const char *end = strptime(iso8601, "%Y-%m-%dT%H:%M:%S", &tm);

        return end ? (int64_t)timegm(&tm) : 0;
}

static int64_t last_use(struct kcache *c, const struct kernel *k)
{
        _cleanup_free_ char *path = kt_format(".used/%s", k->key);
        struct stat st;

        if (path && fstatat(c->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return (int64_t)st.st_mtim.tv_sec;
        return seconds_of(k->built_at);
}

struct candidate {
        const char *key;
        int64_t used_s;
        uint64_t bytes;
};

static int longest_unused_first(const void *a, const void *b)
{
        const struct candidate *x = a, *y = b;

        return x->used_s != y->used_s ? (x->used_s > y->used_s) - (x->used_s < y->used_s)
                                      : strcmp(x->key, y->key);
}

/* Built, so that it can be had again, and not in use. */
static bool may_go(struct kcache *c, const struct kernel *k)
{
        return !k->error && kernel_is_built(k) && kcache_is_free(c, k->key, NULL) == 0;
}

static int push_out(struct kcache *c, const struct candidate *it, uint64_t need, struct kt_error *reterr)
{
        int r = kcache_remove_locked(c, it->key, reterr);

        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                kt_log_notice(
                        "kernel %s (%.0f MiB) was pushed out of %s, for one of %.0f MiB and CacheMax= of "
                        "%.0f MiB",
                        it->key, (double)it->bytes / MIB, c->root, (double)need / MIB,
                        (double)c->max_bytes / MIB);
        return r;
}

static int too_full(struct kcache *c, uint64_t need, uint64_t have, struct kt_error *reterr)
{
        return kt_error_set(
                reterr, -EFBIG, KT_E_IO,
                "the kernel takes %.0f MiB, the kernel cache %s has %.0f MiB, and CacheMax= in "
                "ktstrd.conf(5) allows %.0f MiB; no more kernels that were built here and are not "
                "in use can go: remove some with `ktstrctl kernel clean`, or raise CacheMax=",
                (double)need / MIB, c->root, (double)have / MIB, (double)c->max_bytes / MIB);
}

int kcache_make_room(struct kcache *c, uint64_t need, const char *but, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ struct candidate *candidates = NULL;
        uint64_t have = 0, can_go = 0;
        struct kernel **list;
        size_t n = 0;
        int r;

        if (c->max_bytes == UINT64_MAX)
                return 0;
        r = kcache_list(c, &list, reterr);
        if (r < 0)
                return r;
        for (struct kernel **k = list; *k; k++) {
                const uint64_t bytes = kcache_entry_bytes(c, (*k)->key);
                struct candidate *grown;

                if (but && strcmp((*k)->key, but) == 0)
                        continue;
                have += bytes;
                if (!may_go(c, *k) || !(grown = reallocarray(candidates, n + 1, sizeof(*grown))))
                        continue;
                candidates = grown;
                candidates[n++] = (struct candidate){(*k)->key, last_use(c, *k), bytes};
                can_go += bytes;
        }
        if (have + need - can_go > c->max_bytes)
                r = too_full(c, need, have, reterr);
        else if (n > 0)
                qsort(candidates, n, sizeof(*candidates), longest_unused_first);
        for (size_t i = 0; r >= 0 && have + need > c->max_bytes && i < n; i++) {
                r = push_out(c, &candidates[i], need, &err);
                if (r >= 0)
                        have -= candidates[i].bytes;
                else if (r == -EBUSY)
                        r = 0; /* somebody began to use it just now: the next one */
                else
                        kt_error_set(reterr, r, err.name, "%s", kt_error_text(&err));
        }
        if (r >= 0 && have + need > c->max_bytes)
                r = too_full(c, need, have, reterr);
        kernel_list_free(list);
        return r;
}
