/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "../common/error.h"

/* Debian packages: an ar archive with a compressed tar in it, both read by libarchive. */

/* Is this one? Looks at the first bytes only. */
bool kernel_package_is(int fd);

/*
 * Take the files of a kernel package that match out of it, into the folder dir_fd: the image as "vmlinuz"
 * (boot/vmlinuz-* or modules/REL/vmlinuz), the configuration as "config" (boot/config-* or
 * modules/REL/config), and, when modules is set, the virtio modules, unpacked, as "modules/NAME.ko". What is
 * not in this package is left to another. KT_E_BAD_KERNEL when the package is damaged or cut off.
 */
int kernel_package_extract(int fd, const char *name, int dir_fd, bool modules, struct kt_error *reterr);
