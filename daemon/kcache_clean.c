/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing what is corrupt, and what is not among the newest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/errors.h"
#include "kcache_internal.h"

struct keys {
        char **list; /* NULL-terminated */
        size_t n;
};

static int add_key(struct keys *keys, const char *key, struct kt_error *reterr)
{
        char **grown = reallocarray(keys->list, keys->n + 2, sizeof(*grown));

        if (grown) {
                keys->list = grown;
                grown[keys->n] = strdup(key);
                grown[keys->n + 1] = NULL;
        }
        if (!grown || !grown[keys->n])
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        keys->n++;
        return 0;
}

static bool is_among(const char *const *list, const char *key)
{
        for (; *list; list++)
                if (strcmp(*list, key) == 0)
                        return true;
        return false;
}

/* May it still go? What is corrupt may; one that was built meanwhile is neither that nor old. */
static int check_still(struct kcache *c, const struct kernel *listed, struct kt_error *reterr)
{
        struct kernel *now;
        int r = kcache_get(c, listed->key, &now, reterr);

        if (r < 0)
                return r;
        r = now->error || (!listed->error && strcmp(listed->image_sha256, now->image_sha256) == 0 &&
                           strcmp(listed->built_at, now->built_at) == 0)
                    ? 0
                    : -ESTALE;
        kernel_free(now);
        return r;
}

/* It is looked at when it is its turn: that it is free now says nothing about later. -ESTALE, without a
 * text: it is another by now. */
static int look_or_remove(struct kcache *c, const struct kernel *k, bool dry_run, struct kt_error *reterr)
{
        _cleanup_close_ int lock = kcache_lock_store(c, LOCK_EX);
        int r;

        if (lock < 0)
                return kcache_io_error(c, lock, "cannot lock the kernel cache", reterr);
        r = check_still(c, k, reterr);
        if (r < 0)
                return r;
        return dry_run ? kcache_is_free(c, k->key, reterr) : kcache_remove_locked(c, k->key, reterr);
}

static int take_out(struct kcache *c, const struct kernel *k, bool dry_run, struct keys *removed,
                    struct keys *in_use, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = look_or_remove(c, k, dry_run, &err);

        if (r == -ESTALE)
                return 0;
        if (r == -EBUSY)
                return add_key(in_use, k->key, reterr);
        if (r < 0 && r != -ENOENT)
                return kt_error_set(reterr, r, err.name, "%s", kt_error_text(&err));
        return add_key(removed, k->key, reterr);
}

/* What was taken in last is kept, whatever its version; the corrupt ones have no say. */
static int last_first(const void *a, const void *b)
{
        const struct kernel *x = *(struct kernel *const *)a, *y = *(struct kernel *const *)b;
        int d = (x->error != NULL) - (y->error != NULL);

        if (d == 0 && !x->error)
                d = strcmp(y->built_at, x->built_at);
        if (d == 0 && !x->error)
                d = kernel_version_compare(y->version, x->version);
        return d ? d : strcmp(x->key, y->key);
}

static void sort_by_age(struct kernel **list)
{
        size_t n = 0;

        while (list[n])
                n++;
        qsort(list, n, sizeof(*list), last_first);
}

static int clean_list(struct kcache *c, struct kernel **list, const struct kcache_clean *what,
                      struct keys *removed, struct keys *in_use, struct kt_error *reterr)
{
        unsigned valid = 0;
        int r = 0;

        for (struct kernel **k = list; r >= 0 && *k; k++) {
                const bool goes = (*k)->error || (!what->corrupt_only && valid >= what->keep);

                valid += !(*k)->error;
                if (goes && (!what->only || is_among(what->only, (*k)->key)))
                        r = take_out(c, *k, what->dry_run, removed, in_use, reterr);
        }
        return r;
}

static bool is_listed(struct kernel **list, const char *key)
{
        for (struct kernel **k = list; *k; k++)
                if (strcmp((*k)->key, key) == 0)
                        return true;
        return false;
}

/* Somebody else was faster; that is what was wanted. */
static int add_vanished(struct kernel **list, const char *const *only, struct keys *removed,
                        struct kt_error *reterr)
{
        int r = 0;

        for (; r >= 0 && only && *only; only++)
                if (!is_listed(list, *only))
                        r = add_key(removed, *only, reterr);
        return r;
}

int kcache_clean(struct kcache *c, const struct kcache_clean *what, char ***ret_removed, char ***ret_in_use,
                 struct kt_error *reterr)
{
        struct keys removed = {calloc(1, sizeof(char *)), 0}, in_use = {calloc(1, sizeof(char *)), 0};
        struct kernel **list = NULL;
        int r = kcache_list(c, &list, reterr);

        if (r >= 0 && (!removed.list || !in_use.list))
                r = kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r >= 0)
                sort_by_age(list);
        if (r >= 0)
                r = clean_list(c, list, what, &removed, &in_use, reterr);
        if (r >= 0)
                r = add_vanished(list, what->only, &removed, reterr);
        kernel_list_free(list);
        if (r < 0) {
                kcache_keys_free(removed.list);
                kcache_keys_free(in_use.list);
                return r;
        }
        *ret_removed = removed.list;
        *ret_in_use = in_use.list;
        return 0;
}
