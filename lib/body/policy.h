/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scheduling policies and nice values of workers. */

#include <sys/types.h>

#include "../../common/error.h"
#include "../include/ktstr.h"

/* 0, or -EINVAL: one that the kernel would not take, or of a priority that the agent and the body keep for
 * themselves (proto/bodymsg.h). */
int policy_check(const struct ktstr_policy *p, int nice, struct kt_error *reterr);

/* Give it to a process that waits. What the kernel refuses is told with what it lacks. */
int policy_apply(pid_t pid, const struct ktstr_policy *p, int nice, struct kt_error *reterr);
