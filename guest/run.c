/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/codec.h"
#include "cgroup.h"
#include "report.h"

/* A worker without progress for this long looks stuck: five rounds of those that share its CPU with
 * sched_ext's slice of 20 ms, and never less than half a second. */
#define STUCK_NS 500000000ULL
#define STUCK_NS_PER_WORKER 100000000ULL
#define TICK_MS 10

/* steady: two cgroups of equally spinning workers, no cpusets. */
static const char *const steady_cgroups[] = {"cg_0", "cg_1"};

struct run {
        struct agent *agent;
        struct scheduler sched;
        struct crew crew;
        bool with_sched;
        uint64_t duration_ns, watchdog_ns;
};

static int make_workload(struct run *r, unsigned workers, struct kt_error *reterr)
{
        const unsigned n = KT_ARRAY_SIZE(steady_cgroups);
        int e = 0;

        for (unsigned g = 0; e >= 0 && g < n; g++)
                e = cgroup_make(steady_cgroups[g], reterr);
        if (e >= 0)
                e = crew_make(&r->crew, r->agent, n * workers, reterr);
        for (unsigned i = 0; e >= 0 && i < r->crew.n; i++) {
                r->crew.workers[i].cgroup = (int)(i / workers);
                e = cgroup_move(steady_cgroups[i / workers], r->crew.workers[i].pid, reterr);
        }
        return e;
}

static bool scheduler_is_well(struct run *r)
{
        return !r->with_sched || scheduler_look(&r->sched, r->agent);
}

/* So many spinning workers on so few CPUs may be waiting for their turn. */
static uint64_t stuck_ns(const struct run *r)
{
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t fair = STUCK_NS_PER_WORKER * ((r->crew.n + (unsigned)cpus - 1) / (unsigned)cpus);

        return fair > STUCK_NS ? fair : STUCK_NS;
}

/* Let the workload run its time. When workers stand still at its end, the scheduler has stalled and the
 * kernel's own watchdog will say so: wait for that. False: the scheduler ended meanwhile. */
static bool watch_workload(struct run *r)
{
        uint64_t end = r->crew.started_ns + r->duration_ns, last = end + r->watchdog_ns;
        const uint64_t stuck = stuck_ns(r);
        struct agent *a = r->agent;
        bool waiting = false;

        for (;;) {
                uint64_t now = agent_now_ns();

                if (!scheduler_is_well(r))
                        return false;
                if (a->cancelled || a->kmsg.oom[0] || now >= last)
                        return true;
                if (now >= end &&
                    (!r->with_sched || now < stuck || crew_progressed_since(&r->crew, now - stuck)))
                        return true;
                if (now >= end && !waiting) {
                        waiting = true;
                        agent_event(a, "note",
                                    "\"text\":\"workers stand still at the workload's end: waiting for the "
                                    "kernel's watchdog\"");
                }
                uint64_t left_ms = now < end ? (end - now) / 1000000 + 1 : TICK_MS;
                agent_poll(a, left_ms < TICK_MS ? (int)left_ms : TICK_MS);
        }
}

/* Workers that were killed need a turn to die. Under a scheduler that stalled at the end of the workload
 * they get none before the kernel's own watchdog has thrown it out: wait for either. False: the scheduler
 * ended meanwhile. */
static bool reap_workload(struct run *r)
{
        uint64_t last = agent_now_ns() + r->watchdog_ns;

        while (!crew_reap(&r->crew, 0)) {
                if (!scheduler_is_well(r))
                        return false;
                if (r->agent->cancelled || r->agent->kmsg.oom[0] || agent_now_ns() >= last)
                        return true;
                agent_poll(r->agent, TICK_MS);
        }
        return true;
}

/* A guest whose memory ran out says nothing about the scheduler, whoever was killed for it. */
static void finish(struct run *r, const char *outcome, const char *error)
{
        char oom[256];

        agent_poll(r->agent, 0);
        if (r->agent->kmsg.oom[0]) {
                snprintf(oom, sizeof(oom),
                         "its memory ran out (%s): give it more with --memory, or fewer --workers",
                         r->agent->kmsg.oom);
                outcome = "setup_failed";
                error = oom;
        }
        struct report report = {
                .outcome = r->agent->cancelled ? "cancelled" : outcome,
                .error = error,
                .sched = r->with_sched ? &r->sched : NULL,
                .crew = r->crew.n ? &r->crew : NULL,
                .cgroups = steady_cgroups,
                .n_cgroups = KT_ARRAY_SIZE(steady_cgroups),
        };

        report_send(r->agent, &report);
}

/* The scheduler ended by itself, or was ended by the kernel. */
static void end_early(struct run *r)
{
        scheduler_settle(&r->sched, r->agent);
        crew_reap(&r->crew, 2000);
        finish(r,
               !r->sched.attached ? "not_attached"
               : r->sched.ejected ? "sched_ejected"
                                  : "sched_exited",
               NULL);
}

static void run_workload(struct run *r, unsigned workers)
{
        struct kt_error err = KT_ERROR_INIT;
        bool well;

        if (make_workload(r, workers, &err) < 0) {
                crew_stop(&r->crew);
                if (!r->agent->kmsg.oom[0])
                        scheduler_stop(&r->sched, r->agent);
                finish(r, "setup_failed", kt_error_text(&err));
                kt_error_done(&err);
                return;
        }
        crew_go(&r->crew);
        agent_event(r->agent, "workload_started", NULL);
        well = watch_workload(r);
        crew_stop(&r->crew);
        agent_event(r->agent, "workload_stopped", NULL);
        /* Nothing more can be learnt, and each step takes its time now. */
        if (r->agent->kmsg.oom[0]) {
                finish(r, "setup_failed", NULL);
                return;
        }
        if (!well || !reap_workload(r)) {
                end_early(r);
                return;
        }
        if (r->with_sched) {
                scheduler_stop(&r->sched, r->agent);
                /* It may have been thrown out in the very moment of its end. */
                agent_poll(r->agent, 0);
                if (kmsg_ejected(&r->agent->kmsg.sched)) {
                        end_early(r);
                        return;
                }
        }
        finish(r, "done", NULL);
}

void run_job(struct agent *a, struct json_object *job)
{
        struct run r = {.agent = a};
        struct json_object *spec = kt_json_get(job, "run"), *sched = kt_json_get(spec, "sched");
        struct kt_error err = KT_ERROR_INIT;

        r.with_sched = sched != NULL;
        r.duration_ns = (uint64_t)kt_json_int(spec, "duration_ms", 5000) * 1000000ULL;
        r.watchdog_ns = (uint64_t)kt_json_int(spec, "watchdog_ms", 40000) * 1000000ULL;
        if (sched && scheduler_start(&r.sched, a, sched, (int)(r.watchdog_ns / 1000000), &err) < 0) {
                finish(&r, "setup_failed", kt_error_text(&err));
                kt_error_done(&err);
                return;
        }
        if (sched && !scheduler_wait_attached(&r.sched, a)) {
                if (r.sched.exited || a->kmsg.sched.disabled)
                        scheduler_settle(&r.sched, a);
                else
                        scheduler_stop(&r.sched, a);
                finish(&r, "not_attached", NULL);
                return;
        }
        run_workload(&r, (unsigned)kt_json_int(spec, "workers", 2));
}
