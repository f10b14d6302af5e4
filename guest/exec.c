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
#include "../proto/guestmsg.h"
#include "report.h"

static void run_command(void *data)
{
        char *const argv[] = {(char *)"sh", (char *)"-c", data, NULL};
        char *const env[] = {(char *)"PATH=/bin:/sbin:/usr/bin:/usr/sbin:" KT_GUEST_BIN_DIR
                                     ":" KT_GUEST_INCLUDE_DIR,
                             (char *)"LD_LIBRARY_PATH=" KT_GUEST_LIB_DIR, (char *)"HOME=/root",
                             (char *)"TERM=dumb", NULL};

        if (chdir(KT_GUEST_INCLUDE_DIR) < 0 && chdir("/") < 0)
                return;
        execve("/bin/sh", argv, env);
        dprintf(STDERR_FILENO, "ktstr-guest: cannot run /bin/sh: %s\n", strerror(errno));
}

void exec_job(struct agent *a, struct json_object *job)
{
        const char *command = kt_json_str(kt_json_get(job, "exec"), "command");
        struct report report = {.outcome = "exec_done", .exec = true};
        pid_t pid = agent_spawn(a, KT_OUTPUT_STDOUT, KT_OUTPUT_STDERR, run_command, (void *)(command ?: ""));

        if (pid < 0) {
                report = (struct report){.outcome = "setup_failed", .error = strerror((int)-pid)};
                report_send(a, &report);
                return;
        }
        /* Without a pidfd (before Linux 5.3) it is looked at now and then. */
        a->child_fd = (int)syscall(SYS_pidfd_open, pid, 0);
        while (!a->cancelled && waitpid(pid, &report.exec_status, WNOHANG) != pid)
                agent_poll(a, a->child_fd >= 0 ? 1000 : 5);
        kt_closep(&a->child_fd);
        a->child_fd = -1;
        kill(-1, SIGKILL); /* as PID 1: everything but us */
        agent_drain(a, 10000);
        if (a->cancelled)
                report = (struct report){.outcome = "cancelled"};
        report_send(a, &report);
}
