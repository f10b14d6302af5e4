/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel says of sched_ext in /sys/kernel/sched_ext. */

#include <stdbool.h>
#include <stddef.h>

#define SCX_NAME_MAX 128

/* /sys/kernel/sched_ext/state: "disabled", "enabling", "enabled", "disabling"; "unavailable" when the kernel
 * has no sched_ext. */
void scx_state(char ret[SCX_NAME_MAX]);

/* /sys/kernel/sched_ext/root/ops: the scheduler's name, "" when none is loaded. */
void scx_ops(char ret[SCX_NAME_MAX]);

/* State "enabled" and a name: a scheduler is attached. */
bool scx_attached(char ret_ops[SCX_NAME_MAX]);
