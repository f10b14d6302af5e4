/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workers by their definition: how many, where, as what. */

#include "run.h"

/* How many workers a work group means in `home`. */
int spawn_count(const struct run *r, const struct group *home, const struct ktstr_work_group *wg,
                unsigned *ret, struct kt_error *reterr);

/* Make the workers of a work group in `home` (whose dir may be NULL: outside all cgroups); they wait at the
 * gate. What was forked before an error is in the group, to be stopped with it. */
int spawn(struct run *r, struct group *home, const struct ktstr_work_group *wg, struct kt_error *reterr);
