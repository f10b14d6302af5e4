/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * One kernel of the cache, as read from its metadata.json: a value, owned by whoever asked for it. Immutable once published.
 *
 * On disk (below the cache's root):
 *   KEY/metadata.json   what this struct says
 *   KEY/vmlinux         the ELF that is booted (PVH), symbols kept, debug sections dropped
 *   KEY/btf             raw .BTF
 *   KEY/config          the kernel's configuration, when known
 *   KEY/modules/NN-name.ko  uncompressed, in the order in which the agent loads them; only those that the agent needs
 *   KEY/corrupt         only of one that was used and turned out not to be what was stored: a line that says what is wrong
 */
/* clang-format on */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"
#include "../proto/kernel_version.h"

#define KERNEL_CORRUPT_MARK "corrupt"

struct kernel {
        char *key, *path; /* path: absolute folder of the entry */
        char *release, *version, *arch;
        char *source; /* imported: "package", "image", "tree"; built here: "tarball", "git", "local" */
        char *built_at;
        char *image_path, *btf_path, *config_path; /* absolute; config_path NULL when unknown */
        char *image_sha256;
        uint64_t image_size;
        bool has_btf, has_config, sched_ext;
        bool devmem;          /* CONFIG_DEVMEM, or unknown */
        char **modules;       /* file names below modules/, NULL-terminated, in load order */
        char **imported_from; /* NULL-terminated; of one that was built, what was built */

        /* Of one that was built here; NULL of one that was imported, and where it does not apply. */
        char *profile;      /* "default", "tiny" */
        char *kconfig_hash; /* of the fragment it was built with; NULL also when it is not known: untracked
                             */
        char *extra_kconfig_hash; /* of what was merged over that */
        char *config_hash;        /* of its .config; all three are CRC-32s as eight hex digits */
        char *git_url, *git_ref;  /* as they were asked for */
        char *git_hash;           /* the commit, 40 hex digits; of a tree too */
        char *tree_path;          /* absolute */
        char *source_sha256;      /* of a tarball that is no release of kernel.org's */

        char *btf_sha256, *config_sha256; /* of the files beside the image; NULL where there is none */

        char *error, *error_kind; /* a corrupt entry: these, key and path only */
};

void kernel_free(struct kernel *k);

/* Was it built here, rather than imported? */
bool kernel_is_built(const struct kernel *k);

/* Of several of one version, which is meant by it? The smaller. */
enum kernel_rank {
        KERNEL_PLAIN, /* as released: built with the default profile, or a distribution's package or image */
        KERNEL_PATCHED, /* the same of a source that is no release: git, somebody's tarball */
        KERNEL_VARIANT, /* tiny, or with a configuration of somebody's */
        KERNEL_OWN,     /* somebody's own tree: by a version it is meant only where there is nothing else */
};

enum kernel_rank kernel_rank(const struct kernel *k);

enum kconfig_status {
        KCONFIG_MATCHES,   /* also of an imported one, of which nothing is expected */
        KCONFIG_STALE,     /* built with another fragment than that of today */
        KCONFIG_UNTRACKED, /* built, but it is not known with what */
};

enum kconfig_status kernel_kconfig_status(const struct kernel *k);
const char *kconfig_status_name(enum kconfig_status status);

/*
 * metadata.json of an entry, an object with: key, release, version, arch, source, built_at (ISO 8601, UTC),
 * image_name ("vmlinux"), image_size, image_sha256, has_btf, has_config, sched_ext, devmem, modules (array),
 * imported_from (array); each of them must be there. Of one that was built besides: profile,
 * ktstr_kconfig_hash (kconfig_hash), extra_kconfig_hash, config_hash, git_url, git_ref, git_hash,
 * source_tree_path (tree_path), source_sha256. And btf_sha256, config_sha256. Each a text, or null, or
 * absent. version, arch, source, built_at and image_name keep the names that other tools of the field use.
 */

/* Read the entry `root`/`key`. What is wrong with it stands in error and error_kind of the result (missing,
 * unreadable, truncated, malformed, schema_drift, image_missing; unknown for another file of it that is
 * gone, or content that is not what was stored); only memory running out is a failure. */
int kernel_load(const char *root, const char *key, struct kernel **ret);

/* The text for metadata.json; malloced, NULL when memory is out. */
char *kernel_metadata(const struct kernel *k);

/* A key is a file name: not empty, no '/' or '\\', no leading '.', no "..", no control characters or blanks.
 */
bool kernel_key_is_valid(const char *key);
