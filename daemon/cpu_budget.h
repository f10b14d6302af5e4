/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of the host's CPUs a job gets that may use only so many of them: those that the fewest others of
 * the kind have, so that small budgets do not meet as long as there is room. Arithmetic alone. */

#include "../lib/include/ktstr.h"

/* All zero: none has any. */
struct cpu_budgets {
        unsigned takers[KTSTR_CPUS_MAX]; /* of each CPU */
};

/* n of the usable CPUs, or all of them where there are no more; of equal ones the lowest. To be given back.
 */
struct ktstr_cpus cpu_budget_take(struct cpu_budgets *b, const struct ktstr_cpus *usable, unsigned n);
void cpu_budget_give_back(struct cpu_budgets *b, const struct ktstr_cpus *cpus);
