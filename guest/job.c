/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "../proto/codec.h"
#include "exec.h"
#include "random.h"
#include "report.h"
#include "run.h"

#define NS_PER_S 1000000000LL

/* A kernel that booted has read the time from the hardware: the second, and takes it to be half over. QEMU
 * began its clock with the host's second, without what was over of it, so that it is from half a second
 * early to one and a half late. That is the better one when what comes before the kernel's own clock begins
 * took longer, which the agent cannot know otherwise. */
static bool hardware_knows_better(const struct agent *a, int64_t ns)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return a->begin_ns == 0 && now.tv_sec * NS_PER_S + now.tv_nsec - ns > NS_PER_S / 2;
}

static void set_clock(const struct agent *a, struct json_object *job)
{
        const int64_t wall_ns = kt_json_int(job, "wall_ns", 0),
                      ns = wall_ns + (int64_t)(agent_now_ns() - a->begin_ns);
        const struct timespec ts = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

        if (wall_ns > 0 && !hardware_knows_better(a, ns))
                clock_settime(CLOCK_REALTIME, &ts);
}

int job_run(struct agent *a, struct json_object *job)
{
        const char *kind = kt_json_str(job, "kind") ?: "";

        set_clock(a, job);
        if (random_reseed(kt_json_str(job, "seed")) < 0)
                agent_event(a, "note",
                            "\"text\":\"the kernel's random numbers could not be reseeded: other guests may "
                            "have the same\"");
        if (a->cancelled)
                report_send(a, &(struct report){.outcome = "cancelled"});
        else if (strcmp(kind, "run") == 0)
                run_job(a, job);
        else if (strcmp(kind, "exec") == 0)
                exec_job(a, job);
        else
                return -EINVAL;
        return 0;
}
