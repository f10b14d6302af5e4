/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a machine has that a workload could leave behind: processes that live and zombies of ours, our open
 * files, files in /tmp, /var/tmp, /dev/shm and /run, cgroups, System V IPC, mounts.
 */

#include <ktstr.h>

struct leftovers;

/* What is there now; to be freed by leftovers_judge(). */
struct leftovers *leftovers_now(void);

/* An error for each thing that is there now and was not before; else `outcome`. Frees `before`. */
enum ktstr_outcome leftovers_judge(struct ktstr_ctx *ctx, struct leftovers *before, const char *of,
                                   enum ktstr_outcome outcome);
