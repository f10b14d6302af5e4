/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "../common/error.h"

/*
 * Packages of kernels, read by libarchive: Debian's, an ar archive with a compressed tar in it, and RPMs, a
 * compressed cpio behind a header.
 */

enum kernel_package_kind {
        KERNEL_PACKAGE_NONE,
        KERNEL_PACKAGE_DEB,
        KERNEL_PACKAGE_RPM,
};

/* Which is it, if it is one? Looks at the first bytes only. */
enum kernel_package_kind kernel_package_kind(int fd);
bool kernel_package_is(int fd);

/*
 * Take the files of a kernel package that match out of it, into the folder dir_fd: the image as "vmlinuz"
 * (boot/vmlinuz-* or modules/REL/vmlinuz), the configuration as "config" (boot/config-* or
 * modules/REL/config), and, when modules is set, the virtio modules, unpacked, as "modules/NAME.ko". What is
 * not in this package is left to another. KT_E_BAD_KERNEL when the package is damaged or cut off.
 */
int kernel_package_extract(int fd, const char *name, int dir_fd, bool modules, struct kt_error *reterr);

/* A module as it lies on a disk, perhaps compressed (.ko.xz, .ko.zst, .ko.gz), from the start of fd into the
 * new file dir_fd/to. name: as its owner calls it. KT_E_BAD_KERNEL when it is damaged. */
int kernel_package_unpack_module(int fd, const char *name, int dir_fd, const char *to,
                                 struct kt_error *reterr);
