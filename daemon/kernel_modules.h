/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "../common/error.h"

/*
 * The modules by which a guest reaches its host, when the kernel has virtio not built in. From those that
 * were unpacked to dir_fd/from
 * ("NAME.ko"), take the wanted ones with all that they depend on (.modinfo "depends="), and put them in
 * dir_fd/to as "NN-NAME.ko" in loading order. -ENOENT with the name of the one that is missing.
 */
int kernel_modules_select(int dir_fd, const char *from, const char *to, const char *const *wanted,
                          size_t n_wanted, struct kt_error *reterr);
