/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proto/guestmsg.h"
#include "spawn.h"

#define POLL_MS 5

int command_become(void *command)
{
        char *const argv[] = {(char *)"sh", (char *)"-c", command, NULL};
        char *const env[] = {(char *)"PATH=/bin:/sbin:/usr/bin:/usr/sbin:" KT_GUEST_BIN_DIR
                                     ":" KT_GUEST_INCLUDE_DIR,
                             (char *)"LD_LIBRARY_PATH=" KT_GUEST_LIB_DIR, (char *)"HOME=/root",
                             (char *)"TERM=dumb", NULL};

        if (chdir(KT_GUEST_INCLUDE_DIR) < 0 && chdir("/") < 0)
                return 127;
        execve(KT_GUEST_SHELL, argv, env);
        dprintf(STDERR_FILENO, "ktstr-guest: cannot run " KT_GUEST_SHELL ": %s\n", strerror(errno));
        return 127;
}

struct overridden {
        const struct timeout_override *override;
        const char *command;
};

/* As the same, with the filter for its timeout. */
static int become_overridden(void *data)
{
        const struct overridden *o = data;

        return timeout_override_join(o->override) < 0 ? 127 : command_become((void *)o->command);
}

static pid_t start(struct agent *a, const char *command, struct stream_line *line,
                   struct timeout_override *o, struct kt_error *reterr)
{
        struct spawn spawn = {.out_id = KT_OUTPUT_SCHED_STDOUT,
                              .err_id = KT_OUTPUT_SCHED_STDERR,
                              .line = line,
                              .child = command_become,
                              .data = (void *)command};
        struct overridden overridden = {o, command};
        int r = o ? timeout_override_begin(o, reterr) : 0;
        pid_t pid;

        if (r < 0)
                return r;
        if (o && o->fd > 0) {
                spawn.keep_fd = o->fd;
                spawn.child = become_overridden;
                spawn.data = &overridden;
        }
        pid = spawn_copy(a, &spawn, NULL);
        if (o)
                timeout_override_end(o);
        if (pid < 0)
                return kt_error_set(reterr, (int)pid, NULL, "cannot start '%s': %s", command,
                                    strerror((int)-pid));
        return pid;
}

static bool wait_exit(struct agent *a, pid_t pid, int timeout_ms, int *ret_status)
{
        uint64_t end = agent_now_ns() + (uint64_t)timeout_ms * 1000000ULL;

        while (waitpid(pid, ret_status, WNOHANG) != pid) {
                if (a->cancelled || agent_now_ns() >= end)
                        return false;
                agent_poll(a, POLL_MS);
        }
        return true;
}

static int explain(int status, const char *command, const char *last, struct kt_error *reterr)
{
        const char *colon = *last ? ": " : "";

        if (WIFSIGNALED(status))
                return kt_error_set(reterr, -EIO, NULL, "'%s' was killed by signal %d (%s)%s%s", command,
                                    WTERMSIG(status), strsignal(WTERMSIG(status)), colon, last);
        if (WEXITSTATUS(status) != 0)
                return kt_error_set(reterr, -EIO, NULL, "'%s' exited with status %d%s%s", command,
                                    WEXITSTATUS(status), colon, last);
        return 0;
}

int command_run(struct agent *a, const char *command, int timeout_ms, struct timeout_override *o,
                struct kt_error *reterr)
{
        struct stream_line line = {};
        pid_t pid = start(a, command, &line, o, reterr);
        int status = 0, r = 0;

        if (pid < 0)
                return (int)pid;
        bool ended = wait_exit(a, pid, timeout_ms, &status);
        if (!ended) {
                kill(-pid, SIGKILL);
                kill(pid, SIGKILL);
        }
        agent_end_line(a, &line);
        if (ended)
                r = explain(status, command, line.text, reterr);
        else if (a->cancelled)
                r = kt_error_set(reterr, -ECANCELED, NULL, "cancelled");
        else
                r = kt_error_set(reterr, -ETIMEDOUT, NULL, "'%s' did not end within %d ms%s%s", command,
                                 timeout_ms, line.text[0] ? ": " : "", line.text);
        return r;
}
