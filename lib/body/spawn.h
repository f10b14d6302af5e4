/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workers by their definition: how many, where, as what. */

#include "run.h"

/* How many workers a work group means in `home`. */
int spawn_count(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                unsigned *ret, struct kt_error *reterr);

/*
 * Is it possible in `home`, as far as that is known before its time? It need be nothing but its cpuset and
 * its nodes. NULL: these are not known yet, so that nothing is said of what they decide (how many workers a
 * percentage means, whether there are CPUs left for an affinity).
 */
int spawn_check(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                struct kt_error *reterr);

/* Make the workers of a work group in `home` (whose dir may be NULL: outside all cgroups); they wait at the
 * gate. What was forked before an error is in the group, to be stopped with it. */
int spawn(struct run *r, struct group *home, const struct ktstr_work_group *wg, struct kt_error *reterr);
