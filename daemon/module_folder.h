/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The modules of a kernel where they are installed: /lib/modules/RELEASE. What is in it is opened with the
 * rights of the caller, whose folder it is. */

#include <stdbool.h>
#include <stddef.h>

#include "kcache.h"

/* Is this folder one, rather than a source tree? It has modules.dep, or kernel/ or vmlinuz and no Makefile.
 */
bool module_folder_is(const struct kernel_caller *caller, int fd);

/*
 * Take the virtio modules out of it that are wanted, with what they depend on, unpacked, as
 * dir_fd/modules/NAME.ko: by modules.dep, and where that is missing whatever is called virtio* below
 * kernel/drivers. What it does not have is left out. KT_E_BAD_KERNEL when one is damaged, or of another
 * kernel than release. name: the folder as its owner calls it.
 */
int module_folder_unpack(const struct kernel_caller *caller, int fd, const char *name, const char *release,
                         const char *const *wanted, size_t n_wanted, int dir_fd, struct kt_error *reterr);
