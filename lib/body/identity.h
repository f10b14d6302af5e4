/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* Who a worker is to the kernel. */

/* Become that group (0: stay; another has no further groups) and that user (0: stay), for good. 0, or
 * -errno, when it may be half done. */
int identity_become(uid_t uid, gid_t gid);
