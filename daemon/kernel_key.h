/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The cache keys of kernels that are built here: what was built, and with which configuration, so that the same is found again
 * and nothing else is.
 *
 *   {version}-tarball-x86_64-kc{8}               a release of kernel.org's
 *   {version}-tarball-{sha7}-x86_64-kc{8}        another tarball, by the SHA-256 of the file
 *   {ref}-git-{hash7}-x86_64-kc{8}               what keys may not have becomes '-' in ref
 *   local-{hash7}-x86_64[-cfg{8}]-kc{8}          a tree of git, with the configuration that was in it already
 *   local-unknown-{crc8}-x86_64[-cfg{8}]-kc{8}   a tree of which no commit is known, by its path
 *
 * Before -kc stands the profile, unless it is the default one ("-tiny"); at the end "-xkc{8}" when something was merged over it.
 */
/* clang-format on */

#include "../common/error.h"

/* What goes into a key: texts, NULL where it does not apply. Hashes are lower-case hex digits, as many as
 * they have or more. */
struct kernel_key {
        const char *source;             /* "tarball", "git", "local" */
        const char *version;            /* tarball */
        const char *source_sha256;      /* tarball: of one that is no release of kernel.org's */
        const char *ref;                /* git */
        const char *git_hash;           /* git; local unless unknown */
        const char *tree_path;          /* local of which git_hash is not known */
        const char *own_config;         /* local: CRC-32 of the .config that it had */
        const char *profile;            /* "default", "tiny" */
        const char *kconfig_hash;       /* of the profile's fragment */
        const char *extra_kconfig_hash; /* of what was merged over that */
};

/* The key, malloced; kernel_key_is_valid() holds for it. -EINVAL with a text when a part is missing or is
 * none, KT_E_BUILD: the parts come from what was downloaded. */
int kernel_key_make(const struct kernel_key *of, char **ret, struct kt_error *reterr);
