/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What changes its own nice value, affinity or policy again and again: NiceSweep, AffinityChurn,
 * PolicyChurn. A unit is a spin iteration. */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "../cpus.h"
#include "bind.h"
#include "limits.h"
#include "types.h"

#define NICE_SPIN 512U

static void nice_sweep(struct ktstr_worker *w)
{
        for (;;)
                for (int nice = -20; nice <= 19; nice++) {
                        /* Without CAP_SYS_NICE only the way to a worse one is open. */
                        if (setpriority(PRIO_PROCESS, 0, nice) < 0) {
                                if (errno != EACCES && errno != EPERM)
                                        worker_die(w, "cannot have nice %d: %s", nice, strerror(errno));
                                if (nice != 19)
                                        continue;
                        }
                        worker_spin(NICE_SPIN);
                        worker_progress(w, NICE_SPIN);
                        sched_yield();
                }
}

/* Its cpuset changed, or CPUs came or went. What it had at first still limits it, as far as that is there.
 */
static struct ktstr_cpus allowed_anew(struct ktstr_worker *w, const struct ktstr_cpus *first)
{
        struct ktstr_cpus now, both;

        bind_to_all();
        now = bind_allowed(w);
        both = cpus_and(&now, first);
        return ktstr_cpus_count(&both) > 0 ? both : now;
}

static void affinity_churn(struct ktstr_worker *w)
{
        const uint64_t spin = w->work->p[0];
        const struct ktstr_cpus first = bind_allowed(w);
        struct ktstr_cpus allowed = first;

        for (;;) {
                int r = bind_to(cpus_nth(&allowed, (unsigned)ktstr_worker_random(w)));

                if (r == -EINVAL)
                        allowed = allowed_anew(w, &first);
                else if (r < 0)
                        worker_die(w, "cannot bind itself to a CPU: %s", strerror(-r));
                worker_spin(spin);
                worker_progress(w, spin);
                sched_yield();
        }
}

static void policy_churn(struct ktstr_worker *w)
{
        static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR};
        const uint64_t spin = w->work->p[0];

        for (;;)
                for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
                        const bool rt = policies[i] == SCHED_FIFO || policies[i] == SCHED_RR;
                        const struct sched_param param = {.sched_priority = rt ? 1 : 0};

                        if (sched_setscheduler(0, policies[i], &param) < 0) {
                                if (rt && errno == EPERM)
                                        continue;
                                worker_die(w, "cannot have policy %d: %s", policies[i], strerror(errno));
                        }
                        worker_spin(spin);
                        worker_progress(w, spin);
                        sched_yield();
                }
}

const struct work_type work_type_NICE_SWEEP = {.name = "NiceSweep", .run = nice_sweep};
const struct work_type work_type_AFFINITY_CHURN = {
        .name = "AffinityChurn",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .run = affinity_churn,
};
const struct work_type work_type_POLICY_CHURN = {
        .name = "PolicyChurn",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .run = policy_churn,
        .sets_policy = true,
};
