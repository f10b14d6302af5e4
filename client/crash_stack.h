/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The functions that a scheduler's death went through, from sched_ext's debug dump:
 *
 *   Backtrace:
 *     scx_bpf_error_bstr+0x60/0xa0
 *     bpf_prog_c50298dbc2649edc_ktstr_dispatch+0x65/0xce
 *     do_pick_task_scx+0x2d8/0xcb0
 *     …
 *
 * Of these those that a probe can tell something by: not the way in which the kernel took down the error,
 * not the scheduler's own programs, and not what everything goes through; nor what lies outward of
 * __schedule(), which is how the task came to sleep that was on the CPU.
 */

#include <json-c/json.h>

/* So many, the innermost: each costs the guest time whenever it is called. */
#define CRASH_STACK_MAX 8U

/* An array of names, each once, the innermost first; empty where there are none. The caller's. dump may be
 * NULL. */
struct json_object *crash_stack(const char *dump);
