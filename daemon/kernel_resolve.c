/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "kcache_internal.h"
#include "kernel_label.h"

#define TAKE_ONE                                                                                            \
        "`ktstrctl kernel build` builds one, `ktstrctl kernel import FILE` takes one that is built: "       \
        "Debian's "                                                                                         \
        "trixie-backports has linux-image-*-cloud-amd64 with sched_ext"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static bool can_serve(const struct kernel *k)
{
        return k->sched_ext && k->has_btf;
}

static bool is_fresh(const struct kernel *k)
{
        return kernel_kconfig_status(k) == KCONFIG_MATCHES;
}

/* --- where nothing is found --- */

/* What keeps one from being chosen. */
static const char *mark_of(const struct kernel *k)
{
        if (k->error)
                return " (corrupt)";
        if (!k->sched_ext)
                return " (no sched_ext)";
        if (!k->has_btf)
                return " (no BTF)";
        switch (kernel_kconfig_status(k)) {
        case KCONFIG_STALE:
                return " (stale kconfig)";
        case KCONFIG_UNTRACKED:
                return " (untracked kconfig)";
        default:
                return "";
        }
}

#define DESCRIBED_MAX 12U

/* The cached kernels in a sentence, the first of them by name. Malloced. */
static char *describe_cache(struct kernel **list)
{
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        unsigned n = 0;

        if (!f)
                return NULL;
        for (struct kernel **k = list; *k; k++)
                if (n++ < DESCRIBED_MAX)
                        fprintf(f, "%s%s%s", n > 1 ? ", " : "cached: ", (*k)->key, mark_of(*k));
        if (n > DESCRIBED_MAX)
                fprintf(f, " and %u more", n - DESCRIBED_MAX);
        if (n == 0)
                fputs("the cache is empty", f);
        fclose(f);
        return text;
}

/* What gets the kernel that is not there. Malloced. */
static char *what_next(const struct kernel_spec *s)
{
        if (!s)
                return strdup("`ktstrctl kernel build` builds the newest stable one, " TAKE_ONE);
        switch (s->kind) {
        case KERNEL_SPEC_VERSION:
                return kt_format("`ktstrctl kernel build %s` or --fetch builds it, " TAKE_ONE, s->text);
        case KERNEL_SPEC_RANGE:
                return kt_format(
                        "--fetch builds what is released of it, `ktstrctl kernel build %s` one, " TAKE_ONE,
                        s->end);
        case KERNEL_SPEC_GIT:
                return kt_format("`ktstrctl kernel build --git %s --ref %s` or --fetch builds it, " TAKE_ONE,
                                 s->git_url, s->git_ref);
        default:
                if (s->text[0] == 'v' && kernel_version_is(s->text + 1))
                        return kt_format("the version is written %s; " TAKE_ONE, s->text + 1);
                return strdup(TAKE_ONE);
        }
}

static int is_corrupt(const char *key, const char *why, struct kt_error *reterr)
{
        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                  "cached kernel %s is corrupt: %s; remove it with `ktstrctl kernel remove "
                                  "%s` and import or build it again",
                                  key, why, key);
}

static int nothing_found(struct kernel **list, const struct kernel_spec *s, struct kt_error *reterr)
{
        _cleanup_free_ char *there = describe_cache(list), *next = what_next(s);

        if (!there || !next)
                return oom(reterr);
        for (struct kernel **k = list; s && *k; k++)
                if ((*k)->error && strcmp((*k)->key, s->text) == 0)
                        return is_corrupt(s->text, (*k)->error, reterr);
        if (s && s->kind == KERNEL_SPEC_RANGE)
                return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                          "no cached kernel with sched_ext and BTF is in '%s' (%s); %s",
                                          s->text, there, next);
        if (s)
                return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                          "no cached kernel matches '%s' (%s); %s", s->text, there, next);
        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "kernel",
                                  "no cached kernel has sched_ext and BTF (%s); %s", there, next);
}

/* --- one of the cache --- */

static bool is_match(const struct kernel *k, const struct kernel_spec *s)
{
        if (k->error)
                return false;
        if (!s)
                return can_serve(k) && is_fresh(k);
        if (s->kind == KERNEL_SPEC_GIT)
                return k->git_url && k->git_ref &&
                       kernel_spec_is_git(s, k->git_url, k->git_ref, k->git_hash);
        return strcmp(k->release, s->text) == 0 ||
               (s->kind == KERNEL_SPEC_VERSION && kernel_version_matches(k->version, s->text));
}

/* Both match, and k stands behind the other in the list. */
static bool is_better(const struct kernel *k, const struct kernel *than, const struct kernel_spec *s)
{
        const bool fresh = is_fresh(k);

        if (fresh != is_fresh(than))
                return fresh && (can_serve(k) || !can_serve(than));
        /* A branch moves on: what was built of it last is it, whatever version that calls itself. */
        if (s && s->kind == KERNEL_SPEC_GIT)
                return strcmp(k->built_at, than->built_at) > 0;
        /* What somebody has in a tree of theirs does not become what everybody gets. */
        if ((kernel_rank(k) == KERNEL_OWN) != (kernel_rank(than) == KERNEL_OWN))
                return kernel_rank(than) == KERNEL_OWN && (can_serve(k) || !can_serve(than));
        return can_serve(k) && !can_serve(than) && kernel_version_compare(k->version, than->version) == 0;
}

/* Newest first, so the first match is the answer; but of one version, one that can serve. NULL: none. */
static struct kernel *choose(struct kernel **list, const struct kernel_spec *s)
{
        struct kernel *found = NULL;

        for (struct kernel **k = list; *k; k++) {
                /* A key names one, whatever else has it for a release. */
                if (s && !(*k)->error && strcmp((*k)->key, s->text) == 0)
                        return *k;
                if (is_match(*k, s) && (!found || is_better(*k, found, s)))
                        found = *k;
        }
        return found;
}

/* What a version does not say by itself. */
static const char *rank_note(const struct kernel *k)
{
        switch (kernel_rank(k)) {
        case KERNEL_VARIANT:
                return k->extra_kconfig_hash ? "with a configuration of its own" : "in the profile tiny";
        case KERNEL_PATCHED:
                return "of a source that is no release";
        case KERNEL_OWN:
                return "of somebody's tree";
        default:
                return NULL;
        }
}

char *kernel_resolve_note(const char *spec, const struct kernel *k)
{
        const enum kconfig_status status = kernel_kconfig_status(k);

        if (!spec || strcmp(k->key, spec) == 0)
                return NULL;
        if (status == KCONFIG_MATCHES)
                return kernel_version_is(spec) && rank_note(k)
                               ? kt_format("of %s only %s is cached, %s", spec, k->key, rank_note(k))
                               : NULL;
        return kt_format("of %s only %s is cached, and its kconfig is %s: `ktstrctl kernel build` makes one "
                         "with the kconfig of today",
                         spec, k->key, kconfig_status_name(status));
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

/* --- ranges --- */

/* Those that a range leads to, oldest first: one of each version, as the list prefers them. Borrowed from
 * the list. */
static int cover(struct kernel **list, const struct kernel_spec *range, struct kernel ***ret, size_t *ret_n)
{
        struct kernel **found;
        size_t n = 0;

        for (struct kernel **k = list; *k; k++)
                n++;
        found = calloc(n + 1, sizeof(struct kernel *));
        if (!found)
                return -ENOMEM;
        n = 0;
        for (struct kernel **k = list; *k; k++) {
                if ((*k)->error || !can_serve(*k) || !is_fresh(*k) ||
                    !kernel_spec_covers(range, (*k)->version))
                        continue;
                if (n == 0 || kernel_version_compare(found[n - 1]->version, (*k)->version) != 0)
                        found[n++] = *k;
        }
        for (size_t i = 0; i < n / 2; i++) {
                struct kernel *k = found[i];

                found[i] = found[n - 1 - i];
                found[n - 1 - i] = k;
        }
        *ret = found;
        *ret_n = n;
        return 0;
}

static int oldest_first(const void *a, const void *b)
{
        return kernel_version_compare(*(char *const *)a, *(char *const *)b);
}

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

/* Sorted, and each there once. */
static void sort_versions(char **versions, size_t n)
{
        size_t kept = 0;

        qsort(versions, n, sizeof(*versions), oldest_first);
        for (size_t i = 0; i < n; i++) {
                if (kept > 0 && kernel_version_compare(versions[kept - 1], versions[i]) == 0)
                        free(versions[i]);
                else
                        versions[kept++] = versions[i];
        }
        versions[kept] = NULL;
}

int kernel_versions(struct kcache *c, const struct kernel_spec *range, char ***ret, struct kt_error *reterr)
{
        _cleanup_free_ struct kernel **found = NULL;
        struct kernel **list;
        char **versions = NULL;
        size_t n = 0;
        int r = kcache_list(c, &list, reterr);

        if (r < 0)
                return r;
        if (cover(list, range, &found, &n) >= 0)
                versions = calloc(n + 1, sizeof(char *));
        r = versions ? 0 : oom(reterr);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                versions[i] = strdup(found[i]->version);
                r = versions[i] ? 0 : oom(reterr);
        }
        kernel_list_free(list);
        if (r < 0)
                free_strings(versions);
        else
                *ret = versions;
        return r;
}

int kernel_versions_add(char ***versions, const struct kernel_spec *range, const char *version)
{
        char **grown;
        size_t n = 0;

        if (!kernel_version_is(version) || !kernel_spec_covers(range, version))
                return 0;
        while ((*versions)[n])
                n++;
        grown = reallocarray(*versions, n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        *versions = grown;
        grown[n + 1] = NULL;
        grown[n] = strdup(version);
        if (!grown[n])
                return -ENOMEM;
        sort_versions(grown, n + 1);
        return 0;
}

/* --- several --- */

void kernel_set_done(struct kernel_set *s)
{
        for (size_t i = 0; i < s->n; i++) {
                free(s->items[i].spec);
                free(s->items[i].label);
                free(s->items[i].note);
                kernel_free(s->items[i].kernel);
        }
        free(s->items);
        *s = (struct kernel_set){};
}

/* A path is not in the cache yet: what would be its key may be another's. */
static bool is_in(const struct kernel_set *set, const struct kernel *k, const char *path)
{
        for (size_t i = 0; i < set->n; i++) {
                const struct kernel_resolved *r = &set->items[i];

                if (path ? r->path && strcmp(r->spec, path) == 0
                         : !r->path && strcmp(r->kernel->key, k->key) == 0)
                        return true;
        }
        return false;
}

static char *label_for(const struct kernel_set *set, const struct kernel *k, const char *path)
{
        _cleanup_free_ char **taken = calloc(set->n + 1, sizeof(char *));

        if (!taken)
                return NULL;
        for (size_t i = 0; i < set->n; i++)
                taken[i] = set->items[i].label;
        return kernel_label_unique(path ? kernel_label_path(k, path) : kernel_label(k), taken, set->n);
}

/* Takes k. s NULL: the default. */
static int add(struct kernel_set *set, struct kernel *k, const struct kernel_spec *s,
               struct kt_error *reterr)
{
        const char *path = s && s->kind == KERNEL_SPEC_PATH ? s->text : NULL;
        struct kernel_resolved item = {.path = path != NULL, .kernel = k}, *grown;

        /* It was whole in the list; a job may have found since that it is not. */
        if (k->error) {
                int r = is_corrupt(k->key, k->error, reterr);

                kernel_free(k);
                return r;
        }
        if (is_in(set, k, path)) {
                kernel_free(k);
                return 0;
        }
        item.spec = s ? strdup(s->text) : NULL;
        item.label = label_for(set, k, path);
        item.note = s && !path ? kernel_resolve_note(s->text, k) : NULL;
        grown = reallocarray(set->items, set->n + 1, sizeof(*grown));
        if (grown)
                set->items = grown;
        if (!grown || !item.label || (s && !item.spec)) {
                free(item.spec);
                free(item.label);
                free(item.note);
                kernel_free(k);
                return oom(reterr);
        }
        set->items[set->n++] = item;
        return 0;
}

static int add_range(struct kernel_set *set, struct kcache *c, struct kernel **list,
                     const struct kernel_spec *s, struct kt_error *reterr)
{
        _cleanup_free_ struct kernel **found = NULL;
        size_t n = 0;
        int r = cover(list, s, &found, &n);

        if (r < 0)
                return oom(reterr);
        if (n == 0)
                return nothing_found(list, s, reterr);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct kernel *k;

                r = kcache_get(c, found[i]->key, &k, reterr);
                if (r >= 0)
                        r = add(set, k, s, reterr);
        }
        return r;
}

/* s NULL: the default. */
static int add_spec(struct kernel_set *set, struct kcache *c, const struct kernel_caller *caller,
                    struct kernel **list, const struct kernel_spec *s, bool import_path,
                    struct kt_error *reterr)
{
        struct kernel *k, *found;
        int r;

        if (s && s->kind == KERNEL_SPEC_RANGE)
                return add_range(set, c, list, s, reterr);
        if (s && s->kind == KERNEL_SPEC_PATH && s->text[0] != '/')
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernel",
                                          "path '%s' is not absolute", s->text);
        if (s && s->kind == KERNEL_SPEC_PATH)
                r = resolve_path(c, caller, s->text, import_path, &k, reterr);
        else {
                found = choose(list, s);
                r = found ? kcache_get(c, found->key, &k, reterr) : nothing_found(list, s, reterr);
        }
        return r < 0 ? r : add(set, k, s, reterr);
}

static int add_text(struct kernel_set *set, struct kcache *c, const struct kernel_caller *caller,
                    struct kernel **list, const char *text, bool import_path, struct kt_error *reterr)
{
        struct kernel_spec s;
        int r;

        if (!text)
                return add_spec(set, c, caller, list, NULL, import_path, reterr);
        r = kernel_spec_parse(text, &s, reterr);
        if (r >= 0)
                r = add_spec(set, c, caller, list, &s, import_path, reterr);
        kernel_spec_done(&s);
        return r;
}

int kernel_resolve_set(struct kcache *c, const struct kernel_caller *caller, char *const *specs,
                       struct kernel_set *ret, struct kt_error *reterr)
{
        struct kernel **list;
        int r;

        *ret = (struct kernel_set){};
        r = kcache_list(c, &list, reterr);
        if (r < 0)
                return r;
        if (!specs || !*specs)
                r = add_text(ret, c, caller, list, NULL, false, reterr);
        for (; r >= 0 && specs && *specs; specs++)
                r = add_text(ret, c, caller, list, *specs, false, reterr);
        kernel_list_free(list);
        return r;
}

/* A job has one kernel. */
static int only_one(struct kernel_set *set, const char *spec, struct kernel **ret, struct kt_error *reterr)
{
        if (set->n != 1)
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernel",
                        "'%s' is %zu kernels, from %s to %s, and a job has one; submit one "
                        "for each",
                        spec, set->n, set->items[0].kernel->key, set->items[set->n - 1].kernel->key);
        *ret = TAKE_PTR(set->items[0].kernel);
        return 0;
}

int kernel_resolve_as(struct kcache *c, const struct kernel_caller *caller, const char *spec,
                      bool import_path, struct kernel **ret, struct kt_error *reterr)
{
        struct kernel_set set = {};
        struct kernel **list;
        int r = kcache_list(c, &list, reterr);

        if (r < 0)
                return r;
        r = add_text(&set, c, caller, list, spec, import_path, reterr);
        if (r >= 0)
                r = only_one(&set, spec, ret, reterr);
        kernel_list_free(list);
        kernel_set_done(&set);
        return r;
}
