/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "build_internal.h"
#include "results.h"
#include "server.h"

/* Stages, notes and warnings that are kept as events; all of them are in the log. */
#define MESSAGES_MAX 1000U
/* Of progress no more than the helper may tell. */
#define PROGRESS_INTERVAL_MS 90U

static uint64_t now_ms(struct build *b)
{
        uv_update_time(&b->server->loop);
        return uv_now(&b->server->loop);
}

/* May one more be told? It says so when that is over. */
static bool count_message(struct build *b)
{
        if (b->n_messages > MESSAGES_MAX)
                return false;
        if (b->n_messages++ < MESSAGES_MAX)
                return true;
        job_say(b->job, EVENT_NOTE, NULL, "further stages, notes and warnings are only in build.log");
        return false;
}

void build_tell(struct build *b, enum event_kind kind, const char *text)
{
        if (count_message(b))
                job_say(b->job, kind, NULL, "%s", text);
}

void build_end_stage(struct build *b)
{
        struct event *e;

        if (!b->in_stage)
                return;
        b->in_stage = false;
        facts_of(b)->stage_ms[b->stage] += (int64_t)(now_ms(b) - b->stage_ms);
        if (b->n_messages > MESSAGES_MAX)
                return;
        e = job_event_new(b->job, EVENT_STEP);
        if (!e)
                return;
        e->state = "end";
        e->step = strdup(build_stage_name(b->stage));
        job_publish(b->job, e);
}

void build_begin_stage(struct build *b, enum build_stage stage, const char *text)
{
        struct event *e;

        if (b->in_stage && b->stage != stage)
                build_end_stage(b);
        if (!b->in_stage) {
                b->in_stage = true;
                b->stage = stage;
                b->stage_ms = now_ms(b);
                if (facts_of(b)->stage_ms[stage] < 0)
                        facts_of(b)->stage_ms[stage] = 0;
                if (stage == BUILD_STAGE_COMPILE)
                        build_dir_note_compiling(&b->dir);
        }
        if (!count_message(b))
                return;
        b->progress_ms = 0; /* its first one is told at once */
        e = job_event_new(b->job, EVENT_STEP);
        if (!e)
                return;
        e->state = "begin";
        e->step = strdup(build_stage_name(stage));
        e->message = text ? strdup(text) : NULL;
        job_publish(b->job, e);
}

void build_show_progress(struct build *b, struct build_answer *a)
{
        const int64_t done = a->progress.done, total = a->progress.total;
        const uint64_t now = now_ms(b);
        struct event *e;

        /* The last one is told at once, but not as often as it likes. */
        if (b->progress_ms && now - b->progress_ms < PROGRESS_INTERVAL_MS &&
            (done != total || b->progress_full))
                return;
        b->progress_ms = now;
        b->progress_full = done == total;
        e = job_event_new(b->job, EVENT_PROGRESS);
        if (!e)
                return;
        e->step = b->in_stage ? strdup(build_stage_name(b->stage)) : NULL;
        e->done = done;
        e->total = total;
        e->unit = a->progress.unit;
        if (total > 0)
                e->percent = done < total ? 100.0 * (double)done / (double)total : 100.0;
        e->file = TAKE_PTR(a->progress.file);
        job_publish(b->job, e);
}

void build_keep_log(struct build *b, const char *text, size_t size)
{
        struct event *e;

        if (size == 0)
                return;
        results_append(b->job, STREAM_BUILD, text, size);
        e = job_event_new(b->job, EVENT_LOG);
        if (!e)
                return;
        e->stream = STREAM_BUILD;
        e->data = malloc(size);
        if (!e->data) {
                event_free(e);
                return;
        }
        memcpy(e->data, text, size);
        e->data_size = size;
        job_publish(b->job, e);
}

void build_log_line(struct build *b, const char *kind, const char *text)
{
        _cleanup_free_ char *line = kt_format("== %s%s%s\n", kind, *kind && *text ? ": " : "", text);

        if (line)
                build_keep_log(b, line, strlen(line));
}
