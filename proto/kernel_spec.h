/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a user names a kernel by. The first of these that fits:
 *
 *   git+URL#REF      a git source; REF a branch, tag or commit, or told apart: #tag=, #branch=, #sha=
 *   A..B, A..=B      a range of versions, both ends in it
 *   with a '/', or beginning with '.' or '~'   a path
 *   6, 6.14, 6.14.2, 6.15-rc3                  a version
 *   all else         a cache key, or a release as uname -r has it
 */

#include <stdbool.h>

#include "../common/error.h"

enum kernel_spec_kind {
        KERNEL_SPEC_GIT,
        KERNEL_SPEC_RANGE,
        KERNEL_SPEC_PATH,
        KERNEL_SPEC_VERSION,
        KERNEL_SPEC_KEY,
};

enum kernel_git_ref {
        KERNEL_GIT_ANY, /* it is not said what the ref is */
        KERNEL_GIT_TAG,
        KERNEL_GIT_BRANCH,
        KERNEL_GIT_SHA, /* 40 hex digits */
};

struct kernel_spec {
        enum kernel_spec_kind kind;
        char *text;        /* as it was typed */
        char *start, *end; /* of a range */
        char *git_url;     /* without git+ */
        char *git_ref;     /* without tag= and the like */
        enum kernel_git_ref git_ref_kind;
};

/* -EINVAL with a text (KT_E_INVALID_PARAMETER, field "kernel") for a range whose ends are swapped and a git
 * source without a ref; all else is something. *ret is for kernel_spec_done() also on failure. */
int kernel_spec_parse(const char *text, struct kernel_spec *ret, struct kt_error *reterr);
void kernel_spec_done(struct kernel_spec *s);

/* Is this version in the range? An end of fewer than three components has all of its patch releases in it:
 * 6.16 covers 6.16.5. Release candidates are in it only when one of the ends is one. */
bool kernel_spec_covers(const struct kernel_spec *range, const char *version);

/* "v6.14" of "refs/tags/v6.14", "for-next" of "refs/heads/for-next"; others as they are. Borrowed. */
const char *kernel_git_ref_name(const char *ref);

/* Is this what the spec, a git source, names? A ref of which it is not said whether it is a tag or a branch
 * may be either; a commit is meant by its first seven digits or more. hash may be NULL. */
bool kernel_spec_is_git(const struct kernel_spec *s, const char *url, const char *ref, const char *hash);
