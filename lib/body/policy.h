/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scheduling policies and nice values of workers. */

#include <sys/types.h>

#include "../../common/error.h"
#include "../include/ktstr.h"

/* Is it one that the kernel would take? */
int policy_check(const struct ktstr_policy *p, int nice, struct kt_error *reterr);

/* Give it to a process that waits. What the kernel refuses is told with what it lacks. */
int policy_apply(pid_t pid, const struct ktstr_policy *p, int nice, struct kt_error *reterr);
