/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A child that runs a program which somebody else wrote and which may do anything: crash, hang, print
 * without end, fork. It has a process group of its own, dies with us, leaves no core, has limited CPU time,
 * and /dev/null as its input.
 *
 * Without CONFINED_MAY_FORK a small seccomp filter has it do without processes of its own: fork, vfork and a
 * clone that makes no thread fail with EPERM, clone3 with ENOSYS (glibc falls back to clone, whose flags a
 * filter can see). A process group is no fence: who forks can leave it, and what then runs on after us
 * nobody would find; RLIMIT_NPROC counts the user's other processes too, and does not bind root. What a
 * program declares is data and needs no process; threads are let be.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../common/error.h"

enum confined_flags {
        CONFINED_MAY_FORK = 1 << 0,
};

struct confined {
        pid_t pid;          /* and its process group; 0: none, or reaped */
        int out_fd, err_fd; /* its output; -1: none */
};

/* argv[0] is the path. env: "NAME=value", or NULL; keep_fd: stays open in it under the same number, or -1;
 * cpu_s: of processor time, each of its processes. -errno with a text that begins with the path. */
int confined_start(const char *const argv[], unsigned flags, unsigned cpu_s, const char *env, int keep_fd,
                   struct confined *ret, struct kt_error *reterr);

/* End all of its group, unless it was reaped, and reap it. Returns its status as waitpid(2) gives it. */
int confined_kill(struct confined *c);

/* Wait until it ends, and then end what is left of its group. Only where it is about to: it closed its
 * output. timeout_ms: after that it is killed, and *ret_late (may be NULL) is true. */
int confined_reap(struct confined *c, int timeout_ms, bool *ret_late);

/* "was ended by signal 11 (Segmentation fault)", "exited with status 3". Returns text. */
char *confined_ending(int status, char *text, size_t size);
