/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A program that is run to its end, its output taken line by line.
 *
 * Between it and us stands a process of ours that watches: it is told by the kernel when we die, however we
 * die, and then ends the program and all that it has started, wherever that has hidden (it is the reaper of
 * all orphans below it). Were it killed itself, we would do the same. Nothing of what is run here outlives
 * us by more than its grace. Descriptors that are open here stay open in the watcher until then: a lock
 * that is held by one of them is free when nothing runs any more.
 */

#include <stdbool.h>

#include "../common/error.h"

/* After SIGTERM, before SIGKILL: make removes what is half made. */
#define CHILD_GRACE_MS 3000U

/* Once, before all else: the signals that end us end the child first. */
void child_setup(void);

struct child {
        const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
        const char *const
                *env;      /* "NAME=value", NULL-terminated, or NULL. Of our own environment only what
                              is  of the session is handed on: PATH, HOME, proxies and the like, no CC */
        const char *dir;   /* where it runs; NULL: where we are */
        unsigned grace_ms; /* 0: CHILD_GRACE_MS */

        /* One line of standard output or error, without its end; cut where it is too long for an answer.
         * replaced: it ended with a carriage return, so that the next takes its place. May be NULL. */
        void (*on_line)(void *userdata, const char *line, bool replaced);

        /* Called in the watching process once nothing of the program runs any more, even when we were killed
         * meanwhile. killed: it had no time to clean up. May be NULL. */
        void (*at_end)(void *userdata, bool killed);
        void *userdata;
};

/* Returns its exit status, or 128 and the signal that ended it; -errno when it could not be run. */
int child_run(const struct child *c, struct kt_error *reterr);

/* Is there a program of that name in PATH? */
bool child_find(const char *name);
