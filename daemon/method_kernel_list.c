/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Kernel.List, which may need the list of releases, and Clean. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../kconfig/kconfig.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel_json.h"
#include "kernel_work.h"
#include "method_kernel_list.h"
#include "release_fetch.h"
#include "server.h"

/* --- List --- */

static bool has_valid(const struct kernel_work *w)
{
        for (struct kernel **k = w->list; *k; k++)
                if (!(*k)->error)
                        return true;
        return false;
}

static int measure(struct kernel_work *w)
{
        size_t n = 0;

        while (w->list[n])
                n++;
        w->sizes = calloc(n + 1, sizeof(*w->sizes));
        if (!w->sizes)
                return kt_error_set(&w->error, -ENOMEM, KT_E_INTERNAL, "out of memory");
        for (size_t i = 0; i < n; i++)
                w->sizes[i] = kcache_entry_bytes(w->kcache, w->list[i]->key);
        return 0;
}

static void do_list(struct kernel_work *w)
{
        w->result = kcache_list(w->kcache, &w->list, &w->error);
        if (w->result >= 0)
                w->result = measure(w);
        if (w->result >= 0)
                (void)release_list_load(kcache_root(w->kcache), RELEASE_LIST_MAX_AGE_MS, &w->releases);
}

static void on_releases(void *userdata, const struct release_list *list, const char *why)
{
        struct kernel_work *w = userdata;

        w->lent_releases = list;
        w->no_releases = why;
        kernel_work_finish(w);
}

/* Where nothing depends on the list of releases nobody is asked for it. */
static void want_releases(struct kernel_work *w)
{
        if (w->releases || !has_valid(w))
                kernel_work_finish(w);
        else if (release_fetch(w->call->server->releases, on_releases, w) < 0)
                on_releases(w, NULL, "out of memory");
}

static struct json_object *reply_list(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object(), *a = json_object_new_array();
        const struct release_list *releases = w->releases ?: w->lent_releases;
        char hash[KCONFIG_HASH_SIZE];
        uint64_t total = 0;

        for (size_t i = 0; w->list[i]; i++) {
                const struct kernel *k = w->list[i];
                struct json_object *e = kernel_json(k);

                if (!k->error)
                        kt_json_add_bool(e, "eol", release_list_says_eol(releases, k->version));
                kt_json_add_int(e, "size_bytes", (int64_t)w->sizes[i]);
                json_object_array_add(a, e);
                total += w->sizes[i];
        }
        kconfig_hash(KCONFIG_DEFAULT, hash);
        kt_json_add_str(o, "root", kcache_root(w->kcache));
        kt_json_add_str(o, "current_ktstr_kconfig_hash", hash);
        json_object_object_add(o, "active_prefixes_fetch_error",
                               w->no_releases ? json_object_new_string(w->no_releases) : NULL);
        kt_json_add(o, "entries", a);
        kt_json_add_int(o, "size_bytes", (int64_t)total);
        if (kcache_max(w->kcache) != UINT64_MAX)
                kt_json_add_int(o, "max_bytes", (int64_t)kcache_max(w->kcache));
        return o;
}

void method_kernel_list(struct call *call)
{
        struct kernel_work *w = kernel_work_new(call, do_list, reply_list);

        if (!w)
                return;
        w->then = want_releases;
        kernel_work_start(w);
}

/* --- Clean --- */

static void do_clean(struct kernel_work *w)
{
        w->result = kcache_clean(w->kcache, &w->clean, &w->removed, &w->in_use, &w->error);
}

static struct json_object *keys_json(char *const *keys)
{
        struct json_object *a = json_object_new_array();

        for (; *keys; keys++)
                json_object_array_add(a, json_object_new_string(*keys));
        return a;
}

/* What the pool has of them goes too, as when one is removed by name: nobody can ask for it any more. */
static struct json_object *reply_clean(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();

        pool_drop_removed(w->call->server->pool);
        kt_json_add(o, "removed", keys_json(w->removed));
        kt_json_add(o, "in_use", keys_json(w->in_use));
        return o;
}

static int take_only(struct kernel_work *w, struct json_object *only)
{
        const size_t n = json_object_array_length(only);

        w->only = calloc(n + 1, sizeof(*w->only));
        for (size_t i = 0; w->only && i < n; i++) {
                w->only[i] = strdup(json_object_get_string(json_object_array_get_idx(only, i)));
                if (!w->only[i])
                        return -ENOMEM;
        }
        w->clean.only = (const char *const *)w->only;
        return w->only ? 0 : -ENOMEM;
}

void method_kernel_clean(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *p = call->parameters, *only = kt_json_get(p, "only");
        const int64_t keep = kt_json_int(p, "keep", 0);
        struct kernel_work *w = kernel_work_new(call, do_clean, reply_clean);
        int r = 0;

        if (!w)
                return;
        w->clean = (struct kcache_clean){
                .keep = (unsigned)keep,
                .corrupt_only = kt_json_bool(p, "corrupt_only", false),
                .dry_run = kt_json_bool(p, "dry_run", false),
        };
        if (keep < 0 || keep > UINT_MAX)
                r = kt_error_set_field(&err, -ERANGE, KT_E_INVALID_PARAMETER, "keep",
                                       "%lld is no number of kernels to keep", (long long)keep);
        else if (w->clean.corrupt_only && kt_json_get(p, "keep"))
                r = kt_error_set_field(&err, -EINVAL, KT_E_INVALID_PARAMETER, "keep",
                                       "where only corrupt entries are removed all others are kept: give "
                                       "keep or corrupt_only");
        else if (only && take_only(w, only) < 0)
                r = kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r < 0)
                kernel_work_fail(w, &err);
        else
                kernel_work_start(w);
}
