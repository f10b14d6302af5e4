/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The kernel's log, line by line, and what it says about sched_ext. The words are those of kernel/sched/ext.c:
 *   sched_ext: BPF scheduler "NAME" enabled
 *   sched_ext: BPF scheduler "NAME" disabled (REASON)
 *   sched_ext: NAME: MESSAGE          (after "disabled", when there is one)
 */
/* clang-format on */

#include <stdbool.h>
#include <stddef.h>

#define KMSG_LINE_MAX 2048

/* What was said since kmsg_forget(). */
struct kmsg_sched {
        bool enabled, disabled;
        char ops[128], reason[128], message[512];
};

struct kmsg {
        int fd; /* owned; -1: none */
        struct kmsg_sched sched;
        char oom[128]; /* the kernel's words when memory ran out for the first time; "" */
};

/* Open /dev/kmsg, non-blocking, at its end: what came before the job is in the console. 0, or -errno: then
 * there is never a line. */
int kmsg_open(struct kmsg *k);

/* The next line as "[   12.345678] text\n" in buf (not terminated), its size; 0 when there is none now. */
size_t kmsg_next(struct kmsg *k, char *buf, size_t size);

/* What was said of sched_ext up to now is of another scheduler. */
void kmsg_forget(struct kmsg *k);

/* Was it disabled by the kernel's decision? "unregistered from user space" are its words for a scheduler
 * that was taken down properly. */
bool kmsg_ejected(const struct kmsg_sched *s);

/* One record's text, for tests: note what it says about sched_ext. */
void kmsg_note(struct kmsg_sched *s, const char *text);

/* One record of /dev/kmsg ("prio,seq,usec,flags;text\n KEY=value…") to a line; 0 when it is none. */
size_t kmsg_format(const char *record, size_t record_size, char *buf, size_t size, const char **ret_text);
