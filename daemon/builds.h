/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The builds of a daemon: one at a time, in the order in which they came, apart from the guests' queue. Each
 * counts as alive, so that a private daemon does not leave, and a drain waits. One that asks for what
 * another is building is told so, waits for it, and then finds it cached. None begins while a job that wants
 * the host to itself runs, or is the first of those that wait.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "../common/error.h"

struct build_spec;
struct job;
struct server;

struct builds {
        struct job *running; /* NULL: none */
        unsigned n_queued;
        unsigned n_left; /* that are not freed yet, and folders that are not gone yet */
        bool pumping;
        char **held;      /* ids of what others have had so far, for build_dir_list_free(); NULL: none */
        uv_timer_t look;  /* at those */
        uint64_t look_ms; /* how long until the next look */
};

/* Once the loop is there; server.c closes the timer. done: when it has closed. */
void builds_init(struct server *s);
void builds_done(struct server *s);

/* Take a build in for that user. Takes the spec in any case. */
int builds_submit(struct server *s, struct build_spec *spec, uid_t uid, gid_t gid, struct job **ret,
                  struct kt_error *reterr);

/* Start the next one, when none runs and may. */
void builds_pump(struct server *s);

/* Take up again what a daemon has left that is gone. Once, at the start. What another has then is looked at
 * again until it is had or over: one that was killed just now may have its locks for a moment yet, and one
 * that lives may die. What others begin later is not ours: their next start finds it. */
void builds_take_up(struct server *s);

/* How many builds are before one that waits. */
unsigned builds_ahead(const struct job *job);

/* The job ends: out of the queue, or room for the next. For job_end(). */
void builds_leave(struct job *job);
