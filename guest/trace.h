/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * What the kernel did last before the scheduler under test had left: tasks' switches, wake-ups and migrations, and what sched_ext and the
 * scheduler's own bpf_printk() say, in an instance of tracefs, whose buffer keeps the newest.
 *
 * It costs time in the guest, so it is there only when asked for. The kernel itself stops it when it throws a scheduler out for an error, or
 * when the scheduler's process ends; what neither of these shows is seen a little later, by who watches it (trace_stop()).
 *
 *   trace_begin() → (trace_follow()) → trace_stop() → trace_end() → trace_done()
 *
 * All of them do nothing for one that was not begun.
 */
/* clang-format on */

#include <sys/types.h>

#include "../common/error.h"

#define TRACE_FOLDER "/sys/kernel/tracing"

struct trace {
        char *folder;          /* of our instance, owned; NULL: nothing is traced */
        pid_t pid;             /* whose end stops it; 0: none */
        struct kt_error error; /* what could not be had */
        char *tracefs;         /* where it is mounted, owned */
        char *unprobed;        /* names of functions, owned; NULL: none */
        char *text;            /* the last lines, owned; NULL: none yet, or none at all */
};

/* tracefs: where it is mounted. What cannot be had is in t->error: nobody fails for it. */
void trace_begin(struct trace *t, const char *tracefs);

/* The calls of a function of the kernel too, with its arguments where the kernel knows these (from 6.6 on,
 * of those that it has types for), and of an argument `p` that is a task its name and pid. */
void trace_probe(struct trace *t, const char *function);

/* A process whose end stops it, in place of the one before; 0: none. What has stopped once is over. */
void trace_follow(struct trace *t, pid_t pid);

/* The scheduler has left. */
void trace_stop(struct trace *t);

/* Stop it, and read what there is (KT_TRACE_LINES_MAX, KT_TRACE_BYTES_MAX). */
void trace_end(struct trace *t);

void trace_done(struct trace *t);
