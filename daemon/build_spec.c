/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_spec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"

const char *build_source_name(enum build_source source)
{
        static const char *const names[] = {[BUILD_VERSION] = "version",
                                            [BUILD_TARBALL] = "tarball",
                                            [BUILD_PACKAGE] = "package",
                                            [BUILD_GIT] = "git",
                                            [BUILD_TREE] = "tree"};

        return names[source];
}

struct build_spec *build_spec_new(void)
{
        struct build_spec *spec = calloc(1, sizeof(*spec));

        if (spec)
                spec->tarball_fd = -1;
        return spec;
}

void build_spec_free(struct build_spec *spec)
{
        if (!spec)
                return;
        free(spec->version);
        free(spec->tarball_name);
        free(spec->tarball_path);
        kt_closep(&spec->tarball_fd);
        free(spec->package);
        free(spec->git_url);
        free(spec->git_ref);
        free(spec->tree);
        free(spec->extra_kconfig);
        free(spec);
}

static bool same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* One that came open has no path that could be compared. */
static bool same_tarball(const struct build_spec *a, const struct build_spec *b)
{
        struct stat x, y;

        if (a->tarball_fd < 0 || b->tarball_fd < 0)
                return a->tarball_fd == b->tarball_fd && same_text(a->tarball_path, b->tarball_path);
        return fstat(a->tarball_fd, &x) == 0 && fstat(b->tarball_fd, &y) == 0 && x.st_dev == y.st_dev &&
               x.st_ino == y.st_ino;
}

bool build_spec_same(const struct build_spec *a, const struct build_spec *b)
{
        return a->source == b->source && a->profile == b->profile && a->force == b->force &&
               same_text(a->version, b->version) && same_tarball(a, b) &&
               same_text(a->package, b->package) && same_text(a->git_url, b->git_url) &&
               same_text(a->git_ref, b->git_ref) && same_text(a->tree, b->tree) &&
               same_text(a->extra_kconfig, b->extra_kconfig);
}

static char *source_text(const struct build_spec *spec)
{
        switch (spec->source) {
        case BUILD_TARBALL:
                return strdup(spec->tarball_name);
        case BUILD_PACKAGE:
                return strdup(spec->package);
        case BUILD_GIT:
                return kt_format("%s#%s", spec->git_url, spec->git_ref);
        case BUILD_TREE:
                return strdup(spec->tree);
        default:
                return spec->version ? kt_format("linux %s", spec->version)
                                     : strdup("the newest stable linux");
        }
}

char *build_spec_text(const struct build_spec *spec)
{
        _cleanup_free_ char *source = source_text(spec);

        if (!source || spec->profile == KCONFIG_DEFAULT)
                return TAKE_PTR(source);
        return kt_format("%s (%s)", source, kconfig_profile_name(spec->profile));
}
