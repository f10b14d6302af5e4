/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../cpus.h"
#include "hotplug.h"
#include "op.h"
#include "random.h"
#include "wait.h"

int op_cpu_offline_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return hotplug_check(r, op->cpu, false, reterr);
}

int op_cpu_online_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return hotplug_check(r, op->cpu, true, reterr);
}

int op_cpu_offline(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return hotplug_offline(r, op->cpu, reterr);
}

int op_cpu_online(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return hotplug_online(r, op->cpu, reterr);
}

/* One that is online and can go. */
static int pick(struct run *r, unsigned *ret, struct kt_error *reterr)
{
        struct ktstr_cpus can = cpus_without(&r->b->topo.all, &r->offline);
        unsigned n;

        cpus_remove(&can, 0);
        n = ktstr_cpus_count(&can);
        if (n == 0)
                return kt_error_set(reterr, -ENODEV, NULL, "there is no CPU but cpu0, which cannot go");
        *ret = cpus_nth(&can, (unsigned)(random_next(&r->b->random) % n));
        return 0;
}

int op_cpu_storm(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e = 0;

        for (uint64_t i = 0; e >= 0 && i < op->count; i++) {
                unsigned cpu = 0;

                e = pick(r, &cpu, reterr);
                if (e >= 0)
                        e = hotplug_offline(r, cpu, reterr);
                if (e >= 0)
                        e = wait_until(r, wait_deadline_ns(op->ms));
                if (e >= 0)
                        e = hotplug_online(r, cpu, reterr);
        }
        return e;
}
