/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ForkExit. A unit is a child. */

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "types.h"

static void fork_exit(struct ktstr_worker *w)
{
        for (;;) {
                pid_t pid = fork();

                if (pid == 0)
                        _exit(0);
                if (pid < 0)
                        worker_die(w, "cannot fork: %s", strerror(errno));
                while (waitpid(pid, NULL, 0) < 0)
                        if (errno != EINTR)
                                worker_die(w, "cannot wait for its child: %s", strerror(errno));
                worker_progress(w, 1);
        }
}

const struct work_type work_type_FORK_EXIT = {.name = "ForkExit", .run = fork_exit};
