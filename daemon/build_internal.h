/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   build.c         the verbs for jobs; from its start over the helper's life and the store to the verdict
 *   build_report.c  what the helper says, and what follows from it
 *   build_key.c     the key of what it will build: is that cached, has another daemon it?
 *   build_events.c  what is told of it: stages, progress, notes, the log
 */

#include <stdatomic.h>

#include "build.h"
#include "build_identity.h"
#include "build_scope.h"
#include "job.h"
#include "process.h"

enum phase {
        PHASE_WAITING,   /* in the queue */
        PHASE_PREPARING, /* worker */
        PHASE_PLANNING,  /* the helper, until it says what it will build */
        PHASE_LOOKING,   /* worker: is it cached, is the key free? */
        PHASE_LOCKED,    /* another daemon has the key: looks again when the timer says so */
        PHASE_BUILDING,  /* the helper, until it has ended */
        PHASE_STORING,   /* worker */
};

struct build {
        struct server *server;
        struct job *job; /* NULL once it has its verdict: what is left is a timer that closes */
        struct build_owner owner;
        struct build_dir dir;
        enum phase phase;
        atomic_bool ending;    /* whatever is under way has to end; the worker reads it too */
        bool interrupted;      /* the folder stays */
        struct kt_error error; /* why it ends; the first counts */
        uv_timer_t timer;

        bool working; /* a worker has all that it reads, and these: */
        struct kt_error work_error;
        bool work_found, work_stored;

        /* the helper */
        struct build_identity identity;
        struct build_scope scope;
        bool scope_emptied; /* nothing of the helper runs in it any more */
        bool went_on;       /* an earlier daemon's had begun to compile */
        char *request;      /* its path */
        int helper_lock;    /* until it has it; -1 */
        struct process *process;
        bool spoke, terminated;
        uint64_t output_bytes;

        struct build_plan plan;
        struct build_result result;
        struct build_failure failure;
        bool have_plan, have_result, have_failure;

        char *key;    /* NULL: not known, or not cacheable */
        int key_lock; /* -1: not had */
        bool found, told_locked, stored;

        enum build_stage stage;
        bool in_stage;
        uint64_t stage_ms;    /* uv_now when it began */
        uint64_t progress_ms; /* when it was told last; 0: not of this stage */
        bool progress_full;   /* it was all */
        unsigned n_messages;
};

static inline const struct build_spec *spec_of(const struct build *b)
{
        return b->job->spec.build;
}

static inline struct build_facts *facts_of(struct build *b)
{
        return &b->job->build_facts;
}

/* --- build.c --- */

/* Come to an end as soon as what is under way has. b->job may be NULL when it returns. */
void build_end(struct build *b);

/* The same with an error, the first of which counts. Takes what err holds. */
void build_fail(struct build *b, struct kt_error *err);

/* The helper has been told to go, or has said its last word. */
void build_expect_exit(struct build *b);

/* The helper has said something, or it is its turn to: from here on its silence is timed. */
void build_hear(struct build *b);

/* A word on the helper's standard input. */
void build_tell_helper(struct build *b, const char *word);

/* On a worker. done begins with build_work_is_done(); false: it came to its end. */
void build_start_work(struct build *b, void (*work)(void *data), void (*done)(void *data, int status));
bool build_work_is_done(struct build *b);

/* --- build_report.c --- */

/* The helper's lines, for process_start(). */
void build_on_line(void *userdata, const char *line, size_t size, bool cut);

/* --- build_key.c --- */

/* b->key, of its plan. */
int build_make_key(struct build *b, struct kt_error *reterr);

/* Is what has that key cached, is it free? Then tells the helper whether to go on. */
void build_look(struct build *b);

/* --- build_events.c --- */

void build_begin_stage(struct build *b, enum build_stage stage, const char *text);
void build_end_stage(struct build *b);

/* A note or a warning. */
void build_tell(struct build *b, enum event_kind kind, const char *text);

void build_show_progress(struct build *b, struct build_answer *a);

/* What make printed. */
void build_keep_log(struct build *b, const char *text, size_t size);

/* A line in the log that make has not printed, so that it reads as what happened. */
void build_log_line(struct build *b, const char *kind, const char *text);
