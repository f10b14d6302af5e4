/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ktstr-guest: PID 1 of every guest. Takes one job, runs it, reports, and the guest ends with it. PID 1 must
 * never exit: what goes wrong is a RESULT, and then the machine is switched off.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "agent.h"
#include "boot.h"
#include "hello.h"
#include "inbox.h"
#include "job.h"
#include "report.h"

/* The host ends a guest once it has the result; this is for when it does not. */
#define HOST_GRACE_MS 10000

static void power_off(struct agent *a)
{
        struct pollfd p = {.fd = a->port.fd, .events = 0};

        poll(&p, 1, HOST_GRACE_MS);
        reboot(RB_POWER_OFF);
        for (;;)
                pause();
}

static void fail(struct agent *a, const struct kt_error *err)
{
        struct report r = {.outcome = "setup_failed", .error = kt_error_text(err)};

        fprintf(stderr, "ktstr-guest: %s\n", kt_error_text(err));
        if (a->port.fd >= 0)
                report_send(a, &r);
        power_off(a);
}

/* See agent.h. */
static void rise_above(void)
{
        struct sched_param param = {.sched_priority = KT_AGENT_PRIORITY};

        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
        mlockall(MCL_CURRENT | MCL_FUTURE);
}

int main(void)
{
        struct kt_error err = KT_ERROR_INIT;
        struct json_object *job = NULL;
        struct agent a;
        struct inbox in;

        signal(SIGPIPE, SIG_IGN);
        agent_init(&a);
        if (boot_prepare(&err) < 0)
                fail(&a, &err);
        if (port_open(&a.port, 10000) < 0) {
                kt_error_set(&err, -1, NULL,
                             "no virtio-serial port to the host; the kernel needs CONFIG_VIRTIO_CONSOLE");
                fail(&a, &err);
        }
        rise_above();
        kmsg_open(&a.kmsg);
        inbox_open(&in);
        hello_send(&a, &in, KT_FRAME_HELLO);
        if (inbox_take(&in, &a, &job, &err) < 0)
                fail(&a, &err);
        if (job_run(&a, job) < 0) {
                kt_error_set(&err, -1, NULL, "a job of kind '%s' is not known to this agent",
                             kt_json_str(job, "kind") ?: "");
                fail(&a, &err);
        }
        power_off(&a);
}
