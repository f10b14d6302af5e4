/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's control groups (v2): folders and their files. `dir` is always a folder's whole path. Which
 * cgroups a scenario has is group.h.
 *
 * What writes takes a sysfs_writer, which is waited for two seconds and its patience: 0, the kernel's
 * -errno, or -ETIMEDOUT when the kernel does not come to it, which it may do later. Errors name the cgroup.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../include/ktstr.h"
#include "sysfs_writer.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* As people call it: without where all are. Borrowed from dir, or static. */
const char *cgroup_name(const char *dir);

/* Make one. -EEXIST when it is there already. */
int cgroup_make(struct sysfs_writer *s, const char *dir, struct kt_error *reterr);

/* Write one of its files: cgroup_write(s, dir, "cpuset.cpus", "0-3", …). -ENOENT: this kernel, or this
 * cgroup, has no such file. */
int cgroup_write(struct sysfs_writer *s, const char *dir, const char *file, const char *text,
                 struct kt_error *reterr);

/* Have a controller ("cpuset") in this cgroup: enable it in all above. -ENOENT: the kernel lacks it; -EBUSY
 * or -EOPNOTSUPP: one above has processes of its own, which the kernel does not allow together. */
int cgroup_enable(struct sysfs_writer *s, const char *dir, const char *controller, struct kt_error *reterr);

/* Can it have that controller, as far as the kernel has it? */
bool cgroup_has_controller(const char *dir, const char *controller);

/* The CPUs that those in it may use now, offline ones left out (cpuset.cpus.effective). false: it has no
 * cpuset controller, or cannot be read. */
bool cgroup_cpus(const char *dir, struct ktstr_cpus *ret);

/* Move a process there. One that is gone (ESRCH) is success; a busy cgroup is tried again three times, 100
 * ms apart. -EBUSY then: cgroups in it have controllers; -EOPNOTSUPP: it has some itself, below one that has
 * workers of its own. */
int cgroup_move(struct sysfs_writer *s, const char *dir, pid_t pid, struct kt_error *reterr);

/* Move all that are in `from`, those that are forked meanwhile too; *ret_n is how many there were, also when
 * it fails with the errors of cgroup_move(), and the others are where they were. */
int cgroup_move_all(struct sysfs_writer *s, const char *from, const char *to, unsigned *ret_n,
                    struct kt_error *reterr);

/* Kill whoever is in it or below it, and do not wait for their end: cgroup_event() tells. That it failed is
 * seen there too. */
void cgroup_kill(struct sysfs_writer *s, const char *dir);

/* What cgroup.events says: "populated" (somebody is in it or below it), "frozen". false also of one that is
 * not there. */
bool cgroup_event(const char *dir, const char *what);

/* Remove it and what is below it. One that is not there is success; -EBUSY: somebody is in it. */
int cgroup_remove(struct sysfs_writer *s, const char *dir, struct kt_error *reterr);
