/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tree of cgroups, as the agent uses it: the parent of a test's cgroups, the one that its body is in,
 * and an end to all that a test has left. What a test makes in it is the library's (lib/body).
 *
 * There may be none (a kernel without cgroups): then there is no parent, and the body is in no cgroup of its
 * own.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

/* At boot, so that it need not be done for a job: controllers for those in the root, and the body's cgroup,
 * empty. */
void hierarchy_prepare(void);

/* Make /sys/fs/cgroup/PATH ("/p", "/p/q") with its controllers for the cgroups that will be in it, as far as
 * the kernel has them. One that is there is taken. -errno with the folder named. */
int hierarchy_make_parent(const char *path, struct kt_error *reterr);

/* The body's cgroup, with an upper bound for the processes that may be in it: a program that forks without
 * end ends in a verdict, and not in a guest without memory. *ret_max (may be NULL): that bound. A descriptor
 * of its folder, which the caller closes; -errno where there is no such cgroup. */
int hierarchy_open_cage(unsigned *ret_max);

/* Its path below the root, "/ktstr-body". */
const char *hierarchy_cage(void);

/* Another one in its place, for the next body. Who is born into a cgroup (CLONE_INTO_CGROUP) that was killed
 * before (cgroup.kill) is killed at once by Linux 6.14 and later: the kernel compares the killings of the
 * parent's cgroup before the fork with those of the child's after it. */
void hierarchy_renew_cage(void);

/* Did it want more processes than that? */
bool hierarchy_cage_was_full(void);

/* How many are in it now; 0 where nobody counts. */
unsigned hierarchy_count_caged(void);

#define HIERARCHY_NAME_MAX 64

/* What is a test's, and what is not. */
struct hierarchy {
        const char *parent; /* of its cgroups: "/p", borrowed; NULL: the root */
        char *known;        /* names of those in the root that are not its own, each ended by '/' */
};

/* Before the test: what is there now is not its own. parent is borrowed until hierarchy_done(). */
void hierarchy_begin(struct hierarchy *h, const char *parent);
void hierarchy_done(struct hierarchy *h);

/* SIGKILL to all that is in the body's cgroup and in the test's. */
void hierarchy_kill(const struct hierarchy *h);

/* Remove the test's, as far as they are empty. */
void hierarchy_remove(const struct hierarchy *h);

/* Is one of the test's still there, or anybody in the body's? */
bool hierarchy_has_left(const struct hierarchy *h, char ret_what[HIERARCHY_NAME_MAX]);
