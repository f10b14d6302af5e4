/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cpus.h"
#include "../proto/errors.h"
#include "guest_internal.h"

/* A thread may be made by one that is not confined yet: they are gone through until all are as they should
 * be. QEMU's pool of threads makes one at a time, and the guest does not run. */
#define ROUNDS_MAX 32

static struct ktstr_cpus wanted_for(const struct guest *g, const struct guest_cpus *cpus, pid_t tid)
{
        struct ktstr_cpus one = {};

        for (unsigned i = 0; cpus->vcpus && i < g->n_vcpu_tids; i++)
                if (g->vcpu_tids[i] == tid) {
                        ktstr_cpus_add(&one, cpus->vcpus[i]);
                        return one;
                }
        return cpus->others;
}

/* 1: it was somewhere else before; 0: it was there; -ESRCH: it has ended. */
static int confine_thread(pid_t tid, const struct ktstr_cpus *cpus)
{
        struct ktstr_cpus now;
        int r = cpus_of_thread(tid, &now);

        if (r < 0)
                return r;
        if (memcmp(&now, cpus, sizeof(now)) == 0)
                return 0;
        r = cpus_bind_thread(tid, cpus);
        return r < 0 ? r : 1;
}

static int fail(struct guest *g, int r, const struct ktstr_cpus *cpus, const char *why,
                struct kt_error *reterr)
{
        char text[CPUS_TEXT_MAX];

        return kt_error_set(reterr, r, KT_E_GUEST_START,
                            "QEMU %d cannot be confined to CPU %s of the host: %s", (int)guest_pid(g),
                            ktstr_cpus_format(cpus, text, sizeof(text)), why);
}

/* How many were not where they should be. */
static int confine_all(struct guest *g, DIR *tasks, const struct guest_cpus *cpus, struct kt_error *reterr)
{
        struct dirent *de;
        int moved = 0;

        rewinddir(tasks);
        while ((de = readdir(tasks))) {
                const pid_t tid = (pid_t)atoi(de->d_name);
                struct ktstr_cpus wanted;
                int r;

                if (tid <= 0)
                        continue;
                wanted = wanted_for(g, cpus, tid);
                r = confine_thread(tid, &wanted);
                if (r < 0 && r != -ESRCH)
                        return fail(g, r, &wanted,
                                    r == -EINVAL ? "it is offline, or not in its cpuset" : strerror(-r),
                                    reterr);
                moved += r > 0;
        }
        return moved;
}

/* The loop has not heard of it yet, and then it is left for it to hear. */
static bool has_died(const struct guest *g)
{
        siginfo_t info = {};

        return waitid(P_PID, (id_t)guest_pid(g), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid == guest_pid(g);
}

/* Only its own threads are touched: one that it names and has not would go where it likes. */
static int check_vcpus(const struct guest *g, struct kt_error *reterr)
{
        for (unsigned i = 0; i < g->n_vcpu_tids; i++) {
                char path[64];

                snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)guest_pid(g), (int)g->vcpu_tids[i]);
                if (access(path, F_OK) == 0)
                        continue;
                if (has_died(g))
                        return -ESRCH;
                return kt_error_set(reterr, -ENOENT, KT_E_GUEST_START,
                                    "QEMU %d has no thread %d, which it says is that of vCPU %u",
                                    (int)guest_pid(g), (int)g->vcpu_tids[i], i);
        }
        return 0;
}

int guest_confine(struct guest *g, const struct guest_cpus *cpus, struct kt_error *reterr)
{
        const unsigned vcpus = topology_cpus(&g->shape->topology);
        _cleanup_closedir_ DIR *tasks = NULL;
        char path[48];
        int r;

        assert(g->state == GUEST_PAUSED || g->state == GUEST_PARKED || guest_is_ending(g));
        if (guest_is_ending(g))
                return -ESRCH;
        if (cpus->vcpus && g->n_vcpu_tids != vcpus)
                return kt_error_set(reterr, -EOPNOTSUPP, KT_E_GUEST_START,
                                    "QEMU has %u thread%s for %u vCPUs: they cannot have a CPU each",
                                    g->n_vcpu_tids, g->n_vcpu_tids == 1 ? "" : "s", vcpus);
        snprintf(path, sizeof(path), "/proc/%d/task", (int)guest_pid(g));
        tasks = opendir(path);
        if (!tasks)
                return errno == ENOENT ? -ESRCH : fail(g, -errno, &cpus->others, strerror(errno), reterr);
        r = cpus->vcpus ? check_vcpus(g, reterr) : 0;
        if (r < 0)
                return r;
        r = 1;
        for (unsigned round = 0; r > 0 && round < ROUNDS_MAX; round++)
                r = confine_all(g, tasks, cpus, reterr);
        /* What the kernel narrows further, as a cpuset does, is not what was promised. */
        if (r > 0)
                return fail(g, -EAGAIN, &cpus->others,
                            "it is kept from some of them; is one offline, or not in its cpuset?", reterr);
        return r;
}
