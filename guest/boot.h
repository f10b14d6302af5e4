/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/* Make a bare kernel a place where schedulers and commands run: file systems, modules, limits, the busybox
 * userland. What a kernel does not have is left out; only what the agent itself cannot do without (/proc,
 * /sys, /dev) is an error: -errno, with what it was doing. Once, as PID 1. */
int boot_prepare(struct kt_error *reterr);
