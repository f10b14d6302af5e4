/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a job of the kind `build` is asked for. */

#include <stdbool.h>

#include "../kconfig/kconfig.h"

enum build_source {
        BUILD_VERSION, /* a release, or the newest of a prefix, or the newest stable one */
        BUILD_TARBALL,
        BUILD_PACKAGE,
        BUILD_GIT,
        BUILD_TREE, /* where it is, with the rights of who asks */
        _BUILD_SOURCE_MAX,
};

/* "version", "tarball", "package", "git", "tree"; static. */
const char *build_source_name(enum build_source source);

/* Strings owned; those of other sources are NULL. */
struct build_spec {
        enum build_source source;
        char *version;      /* NULL: the newest stable */
        char *tarball_name; /* as its user calls it */
        char *tarball_path; /* absolute, opened with the user's rights; NULL when it came open: */
        int tarball_fd;     /* owned; -1: none */
        char *package, *git_url, *git_ref;
        char *tree; /* absolute */
        enum kconfig_profile profile;
        char *extra_kconfig; /* or NULL */
        bool force;          /* also when it is in the cache */
        bool clean;
        unsigned jobs; /* of make; 0: as many as its share of the CPUs */
};

/* Nothing asked for yet; NULL when memory is out. */
struct build_spec *build_spec_new(void);
void build_spec_free(struct build_spec *spec);

/* Do both ask for the same kernel, so that one build will do? */
bool build_spec_same(const struct build_spec *a, const struct build_spec *b);

/* What is to be built, for a person: "linux 6.14.2 (tiny)". Malloced; NULL when memory is out. */
char *build_spec_text(const struct build_spec *spec);
