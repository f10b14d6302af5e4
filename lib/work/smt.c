/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SmtSiblingSpin: the workers of a pair are bound to two threads of one core, the pairs to one core after
 * the other. A unit is a spin iteration. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "../cpus.h"
#include "bind.h"
#include "limits.h"
#include "types.h"

static unsigned team_size(const struct ktstr_work *work)
{
        return 2;
}

static int validate(const struct ktstr_work *work, const struct ktstr_topo *topo, struct kt_error *reterr)
{
        if (!topo || topo->threads >= 2)
                return 0;
        return kt_error_set(
                reterr, -EINVAL, NULL,
                "SmtSiblingSpin requires cores with 2 threads, and the topology has %u: set threads",
                topo->threads);
}

/* The threads of this CPU's core that it may use. Empty: the CPU is offline, or sysfs is not there. */
static struct ktstr_cpus siblings(unsigned cpu, const struct ktstr_cpus *allowed)
{
        _cleanup_free_ char *path =
                kt_format("/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
        _cleanup_free_ char *list = NULL;
        struct ktstr_cpus set = {};
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, 4096, &list, &size) < 0)
                return set;
        if (!ktstr_cpus_parse(list, &set))
                return (struct ktstr_cpus){};
        return cpus_and(&set, allowed);
}

/* The n-th core of which it may use two threads, modulo their number. */
static struct ktstr_cpus core(struct ktstr_worker *w, unsigned n)
{
        const struct ktstr_cpus allowed = bind_allowed(w);
        struct ktstr_cpus firsts = {};

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++) {
                struct ktstr_cpus set;

                if (!ktstr_cpus_has(&allowed, cpu))
                        continue;
                set = siblings(cpu, &allowed);
                if (ktstr_cpus_count(&set) >= 2 && cpus_nth(&set, 0) == cpu)
                        ktstr_cpus_add(&firsts, cpu);
        }
        if (ktstr_cpus_count(&firsts) == 0)
                worker_die(w, "of no core it may use two threads: give the cgroup's cpuset whole cores");
        return siblings(cpus_nth(&firsts, n), &allowed);
}

static void smt_sibling_spin(struct ktstr_worker *w)
{
        const uint64_t spin = w->work->p[0];
        struct ktstr_cpus threads = core(w, w->index / 2);
        int r = bind_to(cpus_nth(&threads, w->team_index));

        if (r < 0)
                worker_die(w, "cannot bind itself to a thread of a core: %s", strerror(-r));
        for (;;) {
                worker_spin(spin);
                worker_progress(w, spin);
        }
}

const struct work_type work_type_SMT_SIBLING_SPIN = {
        .name = "SmtSiblingSpin",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = team_size,
        .validate = validate,
        .run = smt_sibling_spin,
};
