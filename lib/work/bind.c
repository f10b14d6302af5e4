/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* The kernel wants room for as many as there could be, which may be more than we know. */
union mask {
        struct ktstr_cpus known;
        cpu_set_t sets[8];
};

struct ktstr_cpus bind_allowed(struct ktstr_worker *w)
{
        union mask mask = {};

        if (sched_getaffinity(0, sizeof(mask), mask.sets) < 0)
                worker_die(w, "cannot ask which CPUs it may use: %s", strerror(errno));
        return mask.known;
}

int bind_to(unsigned cpu)
{
        union mask mask = {};

        ktstr_cpus_add(&mask.known, cpu);
        return sched_setaffinity(0, sizeof(mask), mask.sets) < 0 ? -errno : 0;
}

void bind_to_all(void)
{
        union mask mask;

        memset(&mask, 0xff, sizeof(mask));
        sched_setaffinity(0, sizeof(mask), mask.sets);
}
