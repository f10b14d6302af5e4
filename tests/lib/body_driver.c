/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A body without an agent: `body-driver NAME [FIRST-LINE]` runs one of the scenarios (or of the cases here)
 * and plays the agent: what the body says goes to stdout, what stands on stdin goes to the body. Static, for
 * the guest.
 */
#include <json-c/json.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../lib/body/body.h"
#include "../../lib/scenario/scenarios.h"
#include "../../proto/bodymsg.h"
#include "body_cases.h"

static const char first_line[] = "{\"format\":1,\"test\":\"driven\",\"duration_ms\":1000,\"workers\":2,"
                                 "\"watchdog_ms\":10000,\"seed\":1,\"emulated\":true}";

/* As the agent does: the body above all workers, the agent above the body. */
static void become(int priority)
{
        struct sched_param param = {.sched_priority = priority};

        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

/* Bytes one way; false at their end. */
static bool copy(int from, int to)
{
        char buf[65536];
        ssize_t n = read(from, buf, sizeof(buf));

        return n > 0 && kt_write_all(to, buf, (size_t)n) >= 0;
}

static void converse(int fd)
{
        struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

        for (;;) {
                poll(p, 2, -1);
                if (p[0].revents && !copy(fd, STDOUT_FILENO))
                        return;
                if (p[1].revents && !copy(STDIN_FILENO, fd))
                        p[1].fd = -1;
        }
}

/* For whoever wants to kill it. */
static void note_pid(pid_t pid)
{
        FILE *f = fopen("/tmp/body-pid", "w");

        if (f) {
                fprintf(f, "%d\n", (int)pid);
                fclose(f);
        }
}

typedef enum ktstr_outcome (*func)(struct ktstr_ctx *ctx);

static func find(const char *name)
{
        const struct ktstr_scenario_entry *scenario = ktstr_scenario_find(name);

        for (size_t i = 0; i < n_body_cases; i++)
                if (strcmp(body_cases[i].name, name) == 0)
                        return body_cases[i].func;
        return scenario ? scenario->func : NULL;
}

int main(int argc, char **argv)
{
        const func f = argc > 1 ? find(argv[1]) : NULL;
        const char *first = argc > 2 ? argv[2] : first_line;
        int pair[2], status = 0;
        pid_t pid;

        if (!f) {
                fprintf(stderr, "usage: body-driver SCENARIO|CASE [FIRST-LINE]\n");
                return 2;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return 1;
        pid = fork();
        if (pid == 0) {
                close(pair[0]);
                become(KT_BODY_PRIORITY);
                _exit(ktstr_body_main(pair[1], f, NULL));
        }
        close(pair[1]);
        note_pid(pid);
        become(KT_AGENT_PRIORITY);
        dprintf(pair[0], "%s\n", first);
        converse(pair[0]);
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
