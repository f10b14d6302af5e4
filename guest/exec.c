/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/codec.h"
#include "command.h"
#include "report.h"
#include "spawn.h"

void exec_job(struct agent *a, struct json_object *job)
{
        const char *command = kt_json_str(kt_json_get(job, "exec"), "command");
        struct report report = {.outcome = "exec_done", .exec = true};
        const struct spawn spawn = {.out_id = KT_OUTPUT_STDOUT,
                                    .err_id = KT_OUTPUT_STDERR,
                                    .child = command_become,
                                    .data = (void *)(command ?: "")};
        pid_t pid = spawn_wait(a, &spawn);

        if (pid < 0) {
                report = (struct report){.outcome = "setup_failed", .error = strerror((int)-pid)};
                report_send(a, &report);
                return;
        }
        /* Without a pidfd (before Linux 5.3) it is looked at now and then. */
        a->wake_fds[0] = (int)syscall(SYS_pidfd_open, pid, 0);
        while (!a->cancelled && waitpid(pid, &report.exec_status, WNOHANG) != pid)
                agent_poll(a, a->wake_fds[0] >= 0 ? 1000 : 5);
        kt_closep(&a->wake_fds[0]);
        a->wake_fds[0] = -1;
        kill(-1, SIGKILL); /* as PID 1: everything but us */
        agent_drain(a, AGENT_TESTS, 10000);
        if (a->cancelled)
                report = (struct report){.outcome = "cancelled"};
        report_send(a, &report);
}
