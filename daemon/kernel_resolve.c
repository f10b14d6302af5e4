/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "kcache_internal.h"

#define WHAT_NEXT                                                                                           \
        "`ktstrctl kernel import FILE` takes one; Debian's trixie-backports has linux-image-*-cloud-amd64 " \
        "with sched_ext"

/* The cached kernels in a sentence; what keeps one from being chosen stands behind it. Malloced. */
static char *describe_cache(struct kernel **list)
{
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        unsigned n = 0;

        if (!f)
                return NULL;
        for (struct kernel **k = list; *k; k++)
                fprintf(f, "%s%s%s", n++ ? ", " : "cached: ", (*k)->key,
                        (*k)->error        ? " (corrupt)"
                        : !(*k)->sched_ext ? " (no sched_ext)"
                        : !(*k)->has_btf   ? " (no BTF)"
                                           : "");
        if (n == 0)
                fputs("the cache is empty", f);
        fclose(f);
        return text;
}

static int nothing_found(struct kernel **list, const char *spec, struct kt_error *reterr)
{
        _cleanup_free_ char *there = describe_cache(list);

        for (struct kernel **k = list; spec && *k; k++)
                if ((*k)->error && strcmp((*k)->key, spec) == 0)
                        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                                  "cached kernel %s is corrupt: %s; remove it with "
                                                  "`ktstrctl kernel remove %s` and import it again",
                                                  spec, (*k)->error, spec);
        if (spec)
                return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                          "no cached kernel matches '%s' (%s); " WHAT_NEXT, spec,
                                          there ? there : "");
        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                  "no cached kernel has sched_ext and BTF (%s); " WHAT_NEXT,
                                  there ? there : "");
}

static bool can_serve(const struct kernel *k)
{
        return k->sched_ext && k->has_btf;
}

static bool is_match(const struct kernel *k, const char *spec)
{
        if (k->error)
                return false;
        if (!spec)
                return can_serve(k);
        if (strcmp(k->key, spec) == 0 || strcmp(k->release, spec) == 0)
                return true;
        return kernel_version_is(spec) && kernel_version_matches(k->version, spec);
}

/* Newest first, so the first match is the answer; but of one version, one that can serve. NULL: none. */
static struct kernel *choose(struct kernel **list, const char *spec)
{
        struct kernel *found = NULL;

        for (struct kernel **k = list; *k; k++) {
                /* A key names one, whatever else has it for a release. */
                if (spec && !(*k)->error && strcmp((*k)->key, spec) == 0)
                        return *k;
                if (!is_match(*k, spec))
                        continue;
                if (!found || (!can_serve(found) && can_serve(*k) &&
                               kernel_version_compare((*k)->version, found->version) == 0))
                        found = *k;
        }
        return found;
}

static int resolve_cached(struct kcache *c, const char *spec, struct kernel **ret, struct kt_error *reterr)
{
        struct kernel **list, *found;
        int r = kcache_list(c, &list, reterr);

        if (r < 0)
                return r;
        found = choose(list, spec);
        r = found ? kcache_get(c, found->key, ret, reterr) : nothing_found(list, spec, reterr);
        kernel_list_free(list);
        return r;
}

static int resolve_path(struct kcache *c, const struct kernel_caller *caller, const char *path,
                        bool import_path, struct kernel **ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int fd = kernel_open(caller, AT_FDCWD, path, &err);
        struct kernel_file file = {.name = path, .path = path, .fd = fd};
        struct kernel_source from = {.files = &file, .n_files = 1, .caller = caller};

        if (fd < 0)
                return kt_error_set_field(
                        reterr, fd, strcmp(err.name, KT_E_BAD_KERNEL) == 0 ? KT_E_NO_SUCH_KERNEL : err.name,
                        "kernel", "kernel: %s", kt_error_text(&err));
        return import_path ? kernel_import(c, &from, ret, NULL, reterr) : kernel_look(c, &from, ret, reterr);
}

int kernel_resolve_as(struct kcache *c, const struct kernel_caller *caller, const char *spec,
                      bool import_path, struct kernel **ret, struct kt_error *reterr)
{
        if (spec && spec[0] == '/')
                return resolve_path(c, caller, spec, import_path, ret, reterr);
        return resolve_cached(c, spec, ret, reterr);
}
