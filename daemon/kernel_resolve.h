/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From what a user names kernels by (proto/kernel_spec.h) to entries of the cache. Blocks.
 *
 * A kernel that was named is never replaced by another. What was built with another kconfig fragment than
 * that of today is passed over by the default and by ranges; a version and a git source lead to it only
 * where nothing else of that name is cached, with a note; a key always does.
 */

#include "../proto/kernel_spec.h"
#include "kcache.h"

struct kernel_resolved {
        char *spec;  /* as it was named; NULL for the default */
        char *label; /* kernel_label.h; no two in a set have the same */
        char *note;  /* what is to be known before it is used, one line, or NULL */
        bool path;   /* it was named by a path */
        struct kernel *kernel;
};

struct kernel_set {
        struct kernel_resolved *items;
        size_t n;
};

/*
 * All that these name, in this order, of a range the oldest first; what several of them name is there once.
 * specs is NULL-terminated; none: the default one. Paths are looked at, as caller, and not imported.
 * KT_E_NO_SUCH_KERNEL where one of them names nothing; KT_E_INVALID_PARAMETER where it cannot be read.
 * *ret is for kernel_set_done() also on failure.
 */
int kernel_resolve_set(struct kcache *c, const struct kernel_caller *caller, char *const *specs,
                       struct kernel_set *ret, struct kt_error *reterr);
void kernel_set_done(struct kernel_set *s);

/* The note for a kernel that this spec led to; malloced, NULL when there is none. */
char *kernel_resolve_note(const char *spec, const struct kernel *k);

/* The versions of those cached that a range leads to, oldest first; malloced and NULL-terminated. */
int kernel_versions(struct kcache *c, const struct kernel_spec *range, char ***ret, struct kt_error *reterr);

/* One more, that is not cached: where it belongs, if the range covers it and it is not there already.
 * -ENOMEM leaves the others. */
int kernel_versions_add(char ***versions, const struct kernel_spec *range, const char *version);
