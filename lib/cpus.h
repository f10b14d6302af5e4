/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the library itself does with sets of CPUs, beside what ktstr.h has. */

#include "include/ktstr.h"

/* Those in both. */
struct ktstr_cpus cpus_and(const struct ktstr_cpus *a, const struct ktstr_cpus *b);

/* Are all of set in `of`? */
bool cpus_within(const struct ktstr_cpus *set, const struct ktstr_cpus *of);

/* The i-th of a set, from 0, round and round; the set must not be empty. */
unsigned cpus_nth(const struct ktstr_cpus *set, unsigned i);

void cpus_remove(struct ktstr_cpus *set, unsigned cpu);
