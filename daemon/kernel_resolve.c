/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "kcache_internal.h"

#define WHAT_NEXT                                                                                                  \
        "`ktstrctl kernel import FILE` takes one; Debian's trixie-backports has linux-image-*-cloud-amd64 with sched_ext"

/* Digits and dots, perhaps a release candidate: a version or the beginning of one. */
static bool is_version(const char *spec)
{
        size_t n = strspn(spec, "0123456789.");

        return isdigit((unsigned char)spec[0]) && (spec[n] == '\0' || strncmp(spec + n, "-rc", 3) == 0) && n < 32 &&
               (spec[n] == '\0' || spec[n + 3 + strspn(spec + n + 3, "0123456789")] == '\0');
}

/* "6.18" is 6.18 and 6.18.x, not 6.180. */
static bool version_matches(const char *version, const char *spec)
{
        size_t len = strlen(spec);

        return strncmp(version, spec, len) == 0 && (version[len] == '\0' || version[len] == '.');
}

/* The cached kernels in a sentence; those without sched_ext are marked. Malloced. */
static char *describe_cache(struct kernel **list)
{
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        unsigned n = 0;

        if (!f)
                return NULL;
        for (struct kernel **k = list; *k; k++) {
                if ((*k)->error)
                        continue;
                fprintf(f, "%s%s%s", n++ ? ", " : "cached: ", (*k)->key,
                        !(*k)->sched_ext ? " (no sched_ext)" : !(*k)->has_btf ? " (no BTF)" : "");
        }
        if (n == 0)
                fputs("the cache is empty", f);
        fclose(f);
        return text;
}

static int nothing_found(struct kernel **list, const char *spec, struct kt_error *reterr)
{
        _cleanup_free_ char *there = describe_cache(list);

        if (spec)
                return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                          "no cached kernel matches '%s' (%s); " WHAT_NEXT, spec, there ? there : "");
        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                  "no cached kernel has sched_ext (%s); " WHAT_NEXT, there ? there : "");
}

static bool is_match(const struct kernel *k, const char *spec)
{
        if (k->error)
                return false;
        if (!spec)
                return k->sched_ext && k->has_btf;
        if (strcmp(k->key, spec) == 0 || strcmp(k->release, spec) == 0)
                return true;
        return is_version(spec) && version_matches(k->version, spec);
}

static int resolve_cached(struct kcache *c, const char *spec, struct kernel **ret, struct kt_error *reterr)
{
        struct kernel **list;
        int r = kcache_list(c, &list, reterr);

        if (r < 0)
                return r;
        /* Newest first, so the first match is the answer; a version prefers, among its matches, one that can serve. */
        struct kernel **found = NULL;
        for (struct kernel **k = list; *k; k++) {
                if (!is_match(*k, spec))
                        continue;
                if (!found)
                        found = k;
                if (!spec || !is_version(spec) || strcmp((*k)->version, (*found)->version) != 0)
                        break;
                if (!(*found)->sched_ext && (*k)->sched_ext)
                        found = k;
        }
        if (found) {
                const char *key = (*found)->key;
                r = kcache_get(c, key, ret, reterr);
        } else
                r = nothing_found(list, spec, reterr);
        kernel_list_free(list);
        return r;
}

static int resolve_path(struct kcache *c, const char *path, bool import_path, struct kernel **ret, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct kernel_file file = {.name = path, .path = path, .fd = fd};

        if (fd < 0)
                return kt_error_set_field(reterr, -errno, KT_E_NO_SUCH_KERNEL, "kernel", "cannot open kernel %s: %s", path,
                                          strerror(errno));
        return import_path ? kernel_import(c, &file, 1, NULL, NULL, ret, NULL, reterr)
                           : kernel_import_look(c, &file, 1, ret, reterr);
}

int kernel_resolve(struct kcache *c, const char *spec, bool import_path, struct kernel **ret, struct kt_error *reterr)
{
        if (spec && spec[0] == '/')
                return resolve_path(c, spec, import_path, ret, reterr);
        return resolve_cached(c, spec, ret, reterr);
}
