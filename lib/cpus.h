/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the library itself does with sets of CPUs, beside what ktstr.h has. */

#include <sys/types.h>

#include "include/ktstr.h"

/* Those in both. */
struct ktstr_cpus cpus_and(const struct ktstr_cpus *a, const struct ktstr_cpus *b);

/* Are all of set in `of`? */
bool cpus_within(const struct ktstr_cpus *set, const struct ktstr_cpus *of);

/* Those of a that are not in b. */
struct ktstr_cpus cpus_without(const struct ktstr_cpus *a, const struct ktstr_cpus *b);

/* The i-th of a set, from 0, round and round; 0 of an empty set, which has none to give. */
unsigned cpus_nth(const struct ktstr_cpus *set, unsigned i);

/* Those of `more` too. */
void cpus_join(struct ktstr_cpus *set, const struct ktstr_cpus *more);

/* Of any set's list, with its 0. */
#define CPUS_TEXT_MAX 2560

/* As ktstr_cpus_parse(), but each number has to be above the one before it, and no line end is let pass:
 * what a hostile side sends is read in bounded time. */
bool cpus_parse_ascending(const char *list, struct ktstr_cpus *ret);

void cpus_remove(struct ktstr_cpus *set, unsigned cpu);

/* Which a thread may run on; 0: the caller. -ESRCH: there is none. -EINVAL: there are CPUs above
 * KTSTR_CPUS_MAX. The set is as it was then. */
int cpus_of_thread(pid_t tid, struct ktstr_cpus *ret);

/* Have it run on these alone. -ESRCH; -EINVAL: it may run on none of them; -EPERM. */
int cpus_bind_thread(pid_t tid, const struct ktstr_cpus *cpus);
