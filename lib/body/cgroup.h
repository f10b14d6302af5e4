/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's control groups (v2): folders and their files. `dir` is always a folder's whole path. Which
 * cgroups a scenario has is group.h.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../include/ktstr.h"
#include "scribe.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* As people call it: without where all are. */
const char *cgroup_name(const char *dir);

/* Make one. -EEXIST when it is there already. */
int cgroup_make(struct scribe *s, const char *dir, struct kt_error *reterr);

/* Write one of its files: cgroup_write(s, dir, "cpuset.cpus", "0-3", …). */
int cgroup_write(struct scribe *s, const char *dir, const char *file, const char *text,
                 struct kt_error *reterr);

/* Have a controller ("cpuset") in this cgroup: enable it in all above. An error says whether the kernel
 * lacks it, or whether one above has processes of its own, which the kernel does not allow together. */
int cgroup_enable(struct scribe *s, const char *dir, const char *controller, struct kt_error *reterr);

/* Can it have that controller, as far as the kernel has it? */
bool cgroup_has_controller(const char *dir, const char *controller);

/* The CPUs that those in it may use now, offline ones left out (cpuset.cpus.effective). false: it has no
 * cpuset controller, or cannot be read. */
bool cgroup_cpus(const char *dir, struct ktstr_cpus *ret);

/* Move a process there. One that is gone (ESRCH) is success; a busy cgroup (EBUSY) is tried again three
 * times, 100 ms apart. */
int cgroup_move(struct scribe *s, const char *dir, pid_t pid, struct kt_error *reterr);

/* Move all that are in `from`; *ret_n is how many there were. */
int cgroup_move_all(struct scribe *s, const char *from, const char *to, unsigned *ret_n,
                    struct kt_error *reterr);

/* Kill whoever is in it or below it. */
void cgroup_kill(struct scribe *s, const char *dir);

/* What cgroup.events says: "populated" (somebody is in it or below it), "frozen". */
bool cgroup_event(const char *dir, const char *what);

/* Remove it and what is below it; nobody may be in it. One that is not there is success. */
int cgroup_remove(struct scribe *s, const char *dir, struct kt_error *reterr);
