/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* Become that group (0: stay) and that user (0: stay). -errno. */
int identity_become(uid_t uid, gid_t gid);
