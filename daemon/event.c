/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

#include <stdlib.h>

const char *event_kind_name(enum event_kind kind)
{
        static const char *const names[] = {
                [EVENT_QUEUED] = "queued", [EVENT_GUEST] = "guest",       [EVENT_SCHEDULER] = "scheduler",
                [EVENT_STEP] = "step",     [EVENT_PROGRESS] = "progress", [EVENT_WARNING] = "warning",
                [EVENT_NOTE] = "note",     [EVENT_LOG] = "log",           [EVENT_VERDICT] = "verdict",
        };

        return names[kind];
}

const char *event_stream_name(enum event_stream stream)
{
        static const char *const names[] = {
                [STREAM_SCHEDULER_STDOUT] = "scheduler_stdout",
                [STREAM_SCHEDULER_STDERR] = "scheduler_stderr",
                [STREAM_STDOUT] = "stdout",
                [STREAM_STDERR] = "stderr",
                [STREAM_KERNEL] = "kernel",
                [STREAM_BUILD] = "build",
        };

        return names[stream];
}

void event_free(struct event *e)
{
        if (!e)
                return;
        kt_list_remove(&e->link);
        free(e->message);
        free(e->ops);
        free(e->step);
        free(e->file);
        free(e->data);
        free(e);
}
