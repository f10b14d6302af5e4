/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu_budget.h"

#include "../lib/cpus.h"

/* usable is not empty. */
static unsigned least_taken(const struct cpu_budgets *b, const struct ktstr_cpus *usable)
{
        unsigned least = KTSTR_CPUS_MAX;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                if (ktstr_cpus_has(usable, cpu) &&
                    (least == KTSTR_CPUS_MAX || b->takers[cpu] < b->takers[least]))
                        least = cpu;
        return least;
}

struct ktstr_cpus cpu_budget_take(struct cpu_budgets *b, const struct ktstr_cpus *usable, unsigned n)
{
        struct ktstr_cpus left = *usable, taken = {};

        for (; n > 0 && ktstr_cpus_count(&left) > 0; n--) {
                const unsigned cpu = least_taken(b, &left);

                b->takers[cpu]++;
                ktstr_cpus_add(&taken, cpu);
                cpus_remove(&left, cpu);
        }
        return taken;
}

void cpu_budget_give_back(struct cpu_budgets *b, const struct ktstr_cpus *cpus)
{
        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++)
                if (ktstr_cpus_has(cpus, cpu))
                        b->takers[cpu]--;
}
