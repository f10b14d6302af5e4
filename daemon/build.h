/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * One job of the kind `build`, from its submission to its verdict: a folder (build_dir.h), ktstrd-build in it (proto/buildmsg.h), the key's
 * lock and the kernel cache. Ends in exactly one job_end(), whatever happens.
 *
 *   waits ──▶ is prepared ──▶ the helper plans ──▶ is KEY cached? ──▶ (another daemon builds it) ──▶ the helper builds ──▶ is stored ──▶ over
 *
 * When the daemon stops the helper is ended and the folder stays: the next daemon takes the build up again. When a user cancels, and at every
 * other end, the folder goes, after the verdict.
 */
/* clang-format on */

#include "build_answer.h"
#include "build_dir.h"

struct build;
struct job;
struct server;

/* What is known of a build; strings owned, NULL until known. */
struct build_facts {
        char *source;        /* what is built, for a person */
        const char *profile; /* static */
        char *version, *key;
        char *tree;                         /* that of the user in which it was built */
        char *why;                          /* it is not cached */
        bool cached;                        /* it is in the cache */
        bool existed;                       /* it was already, and nothing was built */
        int64_t objects;                    /* compiled; -1: not told */
        int64_t stage_ms[_BUILD_STAGE_MAX]; /* -1: it was not in this one */
};

void build_facts_done(struct build_facts *facts);

/* For a job that is in no list yet: job->build is set. Takes the folder on success. */
int build_new(struct job *job, struct build_dir *dir, struct kt_error *reterr);

/* Its turn has come. The job is RUNNING. */
void build_start(struct build *build);

/* It cannot be taken up again: it ends with that error. */
void build_lose(struct build *build, const struct kt_error *err);

/* End it now; the verdict will be `cancelled`, and its folder goes. */
void build_cancel(struct build *build);

/* The daemon stops: as build_cancel(), but the folder stays. */
void build_interrupt(struct build *build);

/* Away with a folder that is of no use any more, once nothing runs in it. Takes it. */
void build_sweep(struct server *s, struct build_dir *dir);
