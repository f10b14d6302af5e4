/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "../common/error.h"

/* Make /sys/fs/cgroup/NAME. */
int cgroup_make(const char *name, struct kt_error *reterr);

/* Move a process there. One that is gone (ESRCH) is success; a busy cgroup (EBUSY) is tried again three
 * times, 100 ms apart. */
int cgroup_move(const char *name, pid_t pid, struct kt_error *reterr);
