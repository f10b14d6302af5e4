/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workers by their definition: how many, where, as what. */

#include "run.h"

/* How many workers a work group means in `home`. 0, or -EINVAL: it says two things, or a number that is
 * none. */
int spawn_count(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                unsigned *ret, struct kt_error *reterr);

/*
 * Is it possible in `home`, as far as that is known before its time? It need be nothing but its cpuset and
 * its nodes. NULL: these are not known yet, so that nothing is said of what they decide (how many workers a
 * percentage means, whether there are CPUs left for an affinity). 0, or -errno with what is wrong.
 */
int spawn_check(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                struct kt_error *reterr);

/* Make the workers of a work group in `home` (whose dir may be NULL: outside all cgroups); they wait at the
 * gate. wg is read until they are in their places, what it points to as long as they live. Errors: those of
 * spawn_check(), -E2BIG when a test has no more, -ENOMEM, and what the kernel refuses. What was forked
 * before an error is in the group, to be stopped with it. */
int spawn(struct run *r, struct group *home, const struct ktstr_work_group *wg, struct kt_error *reterr);
