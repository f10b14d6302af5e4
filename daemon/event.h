/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a job tells those who watch it: numbered, typed, in order. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/list.h"

struct verdict;
struct guest_facts;

enum event_kind {
        EVENT_QUEUED,
        EVENT_GUEST,
        EVENT_SCHEDULER,
        EVENT_STEP,
        EVENT_PROGRESS,
        EVENT_WARNING,
        EVENT_NOTE,
        EVENT_LOG,
        EVENT_VERDICT,
};

enum event_stream {
        STREAM_SCHEDULER_STDOUT,
        STREAM_SCHEDULER_STDERR,
        STREAM_STDOUT,
        STREAM_STDERR,
        STREAM_KERNEL,
        STREAM_BUILD,
};

struct event {
        struct kt_list link; /* in the job's list */
        uint64_t seq;        /* 1, 2, 3, … */
        int64_t time_us;     /* CLOCK_REALTIME */
        uint64_t elapsed_ms; /* since the job was submitted */
        enum event_kind kind;
        int position;        /* queued: jobs ahead; else -1 */
        int64_t wait_ms;     /* queued: until it starts, about; -1: not known */
        const char *state;   /* static, or NULL */
        char *message;       /* owned, or NULL: one line for a person */
        char *ops;           /* owned, or NULL */
        char *step;          /* owned, or NULL */
        bool with_guest;     /* the job's guest facts belong to it */
        bool guest_booted;   /* those that are known once it has booted too */
        int64_t done, total; /* progress; total -1: not known */
        const char *unit;    /* progress: static */
        double percent;      /* progress; -1: not known */
        char *file;          /* progress: owned, or NULL */
        enum event_stream stream;
        char *data; /* log: owned bytes */
        size_t data_size;
};

const char *event_kind_name(enum event_kind kind);
const char *event_stream_name(enum event_stream stream);

void event_free(struct event *e);
