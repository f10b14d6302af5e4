/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What ktstrd-build answers (proto/buildmsg.h), one line at a time. The helper runs what it downloaded and
 * may be somebody else's by then: a line is taken as it has to be or not at all. Nothing in it is longer
 * than its line (BUILD_LINE_MAX); texts for a person have no control characters, names and hashes are what
 * they should be, and paths are absolute. What a path leads to is for who opens it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/error.h"

enum build_stage {
        BUILD_STAGE_RESOLVE,
        BUILD_STAGE_DOWNLOAD,
        BUILD_STAGE_VERIFY,
        BUILD_STAGE_UNPACK,
        BUILD_STAGE_CLONE,
        BUILD_STAGE_CONFIGURE,
        BUILD_STAGE_COMPILE,
        BUILD_STAGE_STORE, /* the daemon's own, after those of BUILD_STAGES */
        _BUILD_STAGE_MAX,
};

/* Static. */
const char *build_stage_name(enum build_stage stage);

enum build_answer_kind {
        BUILD_ANSWER_STAGE,
        BUILD_ANSWER_PROGRESS,
        BUILD_ANSWER_WARNING,
        BUILD_ANSWER_NOTE,
        BUILD_ANSWER_LOG,
        BUILD_ANSWER_PLAN,
        BUILD_ANSWER_RESULT,
        BUILD_ANSWER_ERROR,
};

/* All strings owned, NULL where the answer has none. */
struct build_plan {
        char *source; /* "tarball", "git", "local" */
        char *version, *name, *url, *ref, *git_hash, *tree_path, *source_sha256, *own_config;
        bool cacheable;
        char *why; /* not; never NULL then */
};

struct build_result {
        char *tree, *config; /* config: with which it was built; NULL: the tree's .config */
        char *config_hash, *version, *release;
        bool cacheable;
        char *why;
        int64_t objects; /* -1: not told */
};

struct build_failure {
        const char *name; /* static: one of KT_E_* */
        char *message;
        char **details;
        size_t n_details;
};

struct build_answer {
        enum build_answer_kind kind;
        enum build_stage stage;
        char *text; /* of a stage (or NULL), a warning, a note; the piece of log */
        size_t text_size;
        struct {
                int64_t done, total; /* total -1: not known */
                const char *unit;    /* static */
                char *file;
        } progress;
        struct build_plan plan;
        struct build_result result;
        struct build_failure failure;
};

/* -EBADMSG with KT_E_INTERNAL and what is wrong with it; -ENOMEM. *ret is for build_answer_done() on
 * success. */
int build_answer_parse(const char *line, size_t size, struct build_answer *ret, struct kt_error *reterr);
void build_answer_done(struct build_answer *a);

void build_plan_done(struct build_plan *p);
void build_result_done(struct build_result *r);
void build_failure_done(struct build_failure *f);
