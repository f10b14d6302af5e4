/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the agent starts what is not itself: stdin is /dev/null, stdout and stderr are pipes whose bytes go to
 * the host, the signals are as they are by default, and there are no descriptors but 0 to 2 and `keep_fd`,
 * as 3.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "agent.h"

#define SPAWN_KEPT_FD 3

struct spawn {
        uint8_t out_id, err_id;   /* enum kt_output_stream */
        uint64_t output_max;      /* bytes of each that are forwarded as they come; 0: all */
        struct stream_line *line; /* takes the last line of both; NULL: nobody wants it */
        int keep_fd;              /* becomes SPAWN_KEPT_FD; -1: none (0 is none too) */
        int cgroup_fd;            /* a folder of the cgroup file system that it is born in; 0: ours */
        /* Runs in the new process. It has to exec, and to say on stderr what it cannot; or, after
         * spawn_copy(), to do its work. What it returns is the exit status. */
        int (*child)(void *data);
        void *data;
};

/*
 * A program that is not in a hurry: SCHED_OTHER, a process group of its own. As with vfork(2) child shares
 * our memory and we wait until it has exec'ed: copying our page tables would be a fifth of what a short
 * command takes under emulation. So this is for when no scheduler under test may keep the child from
 * running. The pid, or -errno.
 */
pid_t spawn_wait(struct agent *a, const struct spawn *s);

/*
 * One that no scheduler under test may keep from running: a copy of us, in a session of its own, SCHED_FIFO
 * 98, below us; what it forks is SCHED_OTHER again. *ret_realtime (NULL: of no interest) says whether the
 * kernel let it be that: with CONFIG_RT_GROUP_SCHED a cgroup may have no time for such tasks. The pid, or
 * -errno.
 */
pid_t spawn_copy(struct agent *a, const struct spawn *s, bool *ret_realtime);
