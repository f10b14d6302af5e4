/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One kernel of the cache, as read from its metadata.json: a value, owned by whoever asked for it. Immutable once published.
 *
 * On disk (below the cache's root):
 *   KEY/metadata.json   what this struct says
 *   KEY/vmlinux         the ELF that is booted (PVH), symbols kept, debug sections dropped
 *   KEY/btf             raw .BTF
 *   KEY/config          the kernel's configuration, when known
 *   KEY/modules/NN-name.ko  uncompressed, in the order in which the agent loads them; only those that the agent needs
 */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

struct kernel {
        char *key, *path; /* path: absolute folder of the entry */
        char *release, *version, *arch;
        char *source; /* "package", "image", "tree" */
        char *built_at;
        char *image_path, *btf_path, *config_path; /* absolute; config_path NULL when unknown */
        char *image_sha256;
        uint64_t image_size;
        bool has_btf, has_config, sched_ext;
        bool devmem; /* CONFIG_DEVMEM, or unknown */
        char **modules;       /* file names below modules/, NULL-terminated, in load order */
        char **imported_from; /* NULL-terminated */
        char *error, *error_kind; /* a corrupt entry: these, key and path only */
};

void kernel_free(struct kernel *k);
