/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps a build from getting in the tests' way. Where systemd runs – the machine's, or a user's for
 * that user's daemon – the helper gets a scope of its own, with a share of the CPUs and behind all else
 * there; elsewhere it is nice and runs when nothing else does (SCHED_IDLE), without a limit.
 */

#include <stdbool.h>

struct build_scope {
        char **prefix; /* what starts the helper, for process_params; NULL: no scope */
        char *unit;    /* its name */
        bool user;     /* of the user's systemd */
        char *why;     /* there is none */
};

/* job: an id. quota: percent of cpus. -ENOMEM. */
int build_scope_find(const char *job, bool private_mode, unsigned quota, unsigned cpus,
                     struct build_scope *ret);
void build_scope_done(struct build_scope *s);

/* Kill what is left in it; harmless when it has gone. Blocks. */
void build_scope_kill(const struct build_scope *s);

/* For make -j: a process for each CPU that it may use. */
unsigned build_scope_jobs(unsigned quota, unsigned cpus);
