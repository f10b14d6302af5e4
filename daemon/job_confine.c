/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../lib/body/topo.h"
#include "../lib/cpus.h"
#include "../proto/errors.h"
#include "guest.h"
#include "host.h"
#include "job.h"
#include "server.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int set_skip(struct job *job, const char *why, const char *where, struct kt_error *reterr)
{
        job->skip = kt_format("%s: run it on %s, or without performance mode (--no-perf-mode)", why, where);
        return job->skip ? 0 : oom(reterr);
}

/* --- performance mode --- */

/* What hangs together of the host; sysfs is memory, and never waits for a disk. */
static int place(const struct topology *guest, struct placement *ret, struct kt_error *reterr)
{
        struct ktstr_cpus *cores = NULL;
        struct placement_host host = {};
        struct ktstr_topo topo;
        int r = host_cpu_set(&host.cpus);

        if (r < 0)
                return kt_error_set(reterr, r, NULL,
                                    "performance mode knows of %u CPUs, and this host has more",
                                    KTSTR_CPUS_MAX);
        r = topo_read("/sys", &topo, reterr);
        if (r < 0)
                return r;
        r = topo_read_cores("/sys", &host.cpus, &cores, &host.n_cores);
        if (r < 0)
                kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        host.cores = cores;
        host.llcs = topo.llcs;
        host.n_llcs = topo.n_llcs;
        if (r >= 0)
                r = placement_make(&host, guest, ret, reterr);
        free(cores);
        topo_done(&topo);
        return r;
}

/* Before it is known under what it will run it may be. */
static bool has_one_thread(const struct job *job)
{
        const struct server *s = job->server;
        enum accel accel;

        return s->accel_known && accel_pick(&s->accel, job->spec.accel, &accel, NULL) >= 0 &&
               accel == ACCEL_TCG && s->accel.tcg_one_thread;
}

static int check_threads(struct job *job, struct kt_error *reterr)
{
        if (!has_one_thread(job) || topology_cpus(&job->spec.topology) == 1)
                return 0;
        return set_skip(job,
                        "performance mode wants a thread of QEMU for each vCPU, and this one emulates all "
                        "in one",
                        "a host with KVM", reterr);
}

int job_confine_plan(struct job *job, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ struct job_confinement *c = NULL;
        int r;

        if (!job->spec.performance_mode)
                return 0;
        c = calloc(1, sizeof(*c));
        if (!c)
                return oom(reterr);
        r = place(&job->spec.topology, &c->placement, &err);
        if (r == -ENOMEM)
                return oom(reterr);
        if (r < 0)
                return set_skip(job, kt_error_text(&err), r == -ENOSPC ? "a larger host" : "another host",
                                reterr);
        c->performance = true;
        c->cpus = placement_cpus(&c->placement);
        job->confinement = TAKE_PTR(c);
        return check_threads(job, reterr);
}

/* --- budgets --- */

static int take_budget(struct job *job, struct kt_error *reterr)
{
        struct job_confinement *c;
        struct ktstr_cpus usable;
        int r = host_cpu_set(&usable);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot tell which CPUs may be used: %s",
                                    strerror(-r));
        c = calloc(1, sizeof(*c));
        if (!c)
                return oom(reterr);
        c->cpus = cpu_budget_take(&job->server->jobs.budgets, &usable, job->spec.cpu_budget);
        c->taken = true;
        job->confinement = c;
        return 0;
}

void job_confine_end(struct job *job)
{
        struct job_confinement *c = job->confinement;

        if (!c || !c->taken)
                return;
        cpu_budget_give_back(&job->server->jobs.budgets, &c->cpus);
        c->taken = false;
}

/* --- its run --- */

int job_confine_begin(struct job *job, struct kt_error *reterr)
{
        if (job->spec.cpu_budget > 0)
                return take_budget(job, reterr);
        if (job->spec.performance_mode && !job->skip)
                return check_threads(job, reterr);
        return 0;
}

static void say(struct job *job)
{
        const struct job_confinement *c = job->confinement;
        struct ktstr_cpus vcpus = c->cpus;
        char text[CPUS_TEXT_MAX];

        cpus_remove(&vcpus, c->placement.rest);
        if (c->performance)
                job_say(job, EVENT_NOTE, NULL,
                        "performance mode: each vCPU has a CPU of the host (%s), all else of QEMU has CPU "
                        "%u",
                        ktstr_cpus_format(&vcpus, text, sizeof(text)), c->placement.rest);
        else
                job_say(job, EVENT_NOTE, NULL, "QEMU is confined to CPUs of the host: %s",
                        ktstr_cpus_format(&c->cpus, text, sizeof(text)));
}

int job_confine_guest(struct job *job, struct guest *guest, struct kt_error *reterr)
{
        struct job_confinement *c = job->confinement;
        struct guest_cpus cpus = {};
        int r;

        if (!c)
                return 0;
        cpus.others = c->cpus;
        if (c->performance) {
                cpus.vcpus = c->placement.vcpus;
                cpus.others = (struct ktstr_cpus){};
                ktstr_cpus_add(&cpus.others, c->placement.rest);
        }
        r = guest_confine(guest, &cpus, reterr);
        if (r < 0 || c->done)
                return r;
        c->done = true;
        say(job);
        return 0;
}
