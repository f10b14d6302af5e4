/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

#include <errno.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "../cpus.h"

/* Each CPU that goes is a round of the kernel's through all of its subsystems; under emulation some 100 ms.
 */
#define HOTPLUG_MS 10000

/* A cpuset all of whose CPUs are gone is the parent's: nobody can be told to stay in it. */
static void note_cpusets(struct run *r)
{
        kt_list_for_each (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                if (g->has_cpus && cpus_within(&g->cpus, &r->offline))
                        g->isolated = false;
        }
}

int hotplug_check(const struct run *r, unsigned cpu, bool online, struct kt_error *reterr)
{
        char text[128];

        if (!ktstr_cpus_has(&r->b->topo.all, cpu))
                return kt_error_set(reterr, -ENODEV, NULL, "there is no cpu%u: these are %s", cpu,
                                    ktstr_cpus_format(&r->b->topo.all, text, sizeof(text)));
        if (cpu == 0 && !online)
                return kt_error_set(reterr, -EBUSY, NULL, "cpu0 cannot be taken offline");
        return 0;
}

static int set_online(struct run *r, unsigned cpu, bool online, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_format("/sys/devices/system/cpu/cpu%u/online", cpu);
        int e;

        if (cpu == 0 || online != ktstr_cpus_has(&r->offline, cpu))
                return 0;
        if (!path)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        /* The kernel may still do what it does not come to in time: one that may be away is put back. */
        if (!online)
                ktstr_cpus_add(&r->offline, cpu);
        e = sysfs_writer_write(r->b->sysfs_writer, path, online ? "1" : "0", HOTPLUG_MS);
        if (e < 0 && e != -ETIMEDOUT && !online)
                cpus_remove(&r->offline, cpu);
        if (e == -ENOENT)
                return kt_error_set(reterr, e, NULL,
                                    "cpu%u cannot be taken offline: this kernel has no CONFIG_HOTPLUG_CPU",
                                    cpu);
        if (e < 0)
                return kt_error_set(reterr, e, NULL, "cpu%u cannot be taken %s: %s", cpu,
                                    online ? "online" : "offline",
                                    e == -ETIMEDOUT ? "the kernel does not come to it" : strerror(-e));
        return 0;
}

int hotplug_offline(struct run *r, unsigned cpu, struct kt_error *reterr)
{
        int e = set_online(r, cpu, false, reterr);

        note_cpusets(r);
        return e;
}

int hotplug_online(struct run *r, unsigned cpu, struct kt_error *reterr)
{
        int e = set_online(r, cpu, true, reterr);

        if (e >= 0)
                cpus_remove(&r->offline, cpu);
        return e;
}

int hotplug_restore(struct run *r, struct kt_error *reterr)
{
        int first = 0;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++) {
                int e = ktstr_cpus_has(&r->offline, cpu) ? hotplug_online(r, cpu, first ? NULL : reterr) : 0;

                first = first ?: e;
        }
        return first;
}
