/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest's root is when it boots. Beside the kernels in their cache; any thread, blocking. */

#include "../common/sha256.h"
#include "kcache.h"
#include "userland.h"

/* One that is there, and what of the userland is in it. */
struct initramfs {
        char *path;
        struct initramfs_file {
                char *name; /* as in the userland */
                char sha256[KT_SHA256_HEX_SIZE];
        } * files;
        size_t n_files;
};

/*
 * The initramfs of a kernel: the userland, the kernel's modules under /modules/NN-name.ko, its configuration
 * as /boot/config-RELEASE. Kept as {root}/.initramfs/{key}-{hash of all inputs}.cpio (uncompressed newc),
 * made when missing. ret: to be released with initramfs_done(), also on failure.
 */
int initramfs_ensure(struct kcache *c, const struct kernel *k, const struct userland *userland,
                     struct initramfs *ret, struct kt_error *reterr);
void initramfs_done(struct initramfs *i);

/* Is what is in the guest at this path the same as the file: 1, 0, or -errno when the file cannot be read.
 * Hashed is only what has the name. */
int initramfs_has(const struct initramfs *i, const char *guest_path, int fd);
