/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's control groups (v2): folders and their files. `dir` is always a folder's whole path. Which
 * cgroups a scenario has is group.h.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../../common/error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Make one. -EEXIST when it is there already. */
int cgroup_make(const char *dir, struct kt_error *reterr);

/* Is it there? */
bool cgroup_exists(const char *dir);

/* Write one of its files: cgroup_write(dir, "cpuset.cpus", "0-3", …). */
int cgroup_write(const char *dir, const char *file, const char *text, struct kt_error *reterr);

/* Move a process there. One that is gone (ESRCH) is success; a busy cgroup (EBUSY) is tried again three
 * times, 100 ms apart. */
int cgroup_move(const char *dir, pid_t pid, struct kt_error *reterr);

/* Kill whoever is in it or below it. */
void cgroup_kill(const char *dir);

/* Is anybody in it or below it? */
bool cgroup_populated(const char *dir);

/* Remove it and what is below it; nobody may be in it. One that is not there is success. */
int cgroup_remove(const char *dir, struct kt_error *reterr);
