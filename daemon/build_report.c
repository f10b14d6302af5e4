/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/buildmsg.h"
#include "../proto/errors.h"
#include "build_internal.h"

/* Of a helper that prints without end. */
#define OUTPUT_MAX (1024ULL * 1024U * 1024U)

/* What memory is too short for is not told. */
static void set_text(char **to, const char *text)
{
        char *copy = text ? strdup(text) : NULL;

        if (!copy)
                return;
        free(*to);
        *to = copy;
}

static void refuse(struct build *b, const char *what)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EBADMSG, KT_E_INTERNAL, BUILD_PROGRAM " %s", what);
        build_fail(b, &err);
}

static const char *plan_source(enum build_source source)
{
        return source == BUILD_GIT ? "git" : source == BUILD_TREE ? "local" : "tarball";
}

static void take_plan(struct build *b, struct build_answer *a)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build_facts *f = facts_of(b);

        if (b->have_plan) {
                refuse(b, "plans twice");
                return;
        }
        if (strcmp(a->plan.source, plan_source(spec_of(b)->source)) != 0) {
                refuse(b, "plans to build something else than it was asked for");
                return;
        }
        b->have_plan = true;
        b->plan = a->plan;
        a->plan = (struct build_plan){};
        set_text(&f->source, b->plan.name);
        set_text(&f->version, b->plan.version);
        if (!b->plan.cacheable) {
                set_text(&f->why, b->plan.why);
                b->phase = PHASE_BUILDING;
                build_tell_helper(b, "go\n");
        } else if (build_make_key(b, &err) < 0)
                build_fail(b, &err);
        else {
                set_text(&f->key, b->key);
                build_look(b);
        }
}

/* Its tree is the user's, or in the folder that it was given. */
static bool is_where_it_may_be(const struct build *b, const char *path)
{
        const size_t n = strlen(b->dir.work);

        if (spec_of(b)->source == BUILD_TREE && strcmp(path, spec_of(b)->tree) == 0)
                return true;
        return strncmp(path, b->dir.work, n) == 0 && path[n] == '/';
}

static void take_result(struct build *b, struct build_answer *a)
{
        struct build_facts *f = facts_of(b);

        if (b->phase != PHASE_BUILDING || b->found) {
                refuse(b, "has a result before it was told to build");
                return;
        }
        if (!is_where_it_may_be(b, a->result.tree) ||
            (a->result.config && !is_where_it_may_be(b, a->result.config))) {
                refuse(b, "has built where it may not");
                return;
        }
        b->have_result = true;
        b->result = a->result;
        a->result = (struct build_result){};
        set_text(&f->version, b->result.version);
        f->objects = b->result.objects;
        if (b->plan.cacheable && !b->result.cacheable)
                set_text(&f->why, b->result.why);
        if (spec_of(b)->source == BUILD_TREE)
                set_text(&f->tree, spec_of(b)->tree);
        build_expect_exit(b);
}

static void take_failure(struct build *b, struct build_answer *a)
{
        b->have_failure = true;
        b->failure = a->failure;
        a->failure = (struct build_failure){};
        build_log_line(b, "error", b->failure.message);
        build_expect_exit(b);
}

static void take_answer(struct build *b, struct build_answer *a)
{
        if (b->have_result || b->have_failure) {
                refuse(b, "goes on after its last word");
                return;
        }
        switch (a->kind) {
        case BUILD_ANSWER_STAGE:
                build_log_line(b, build_stage_name(a->stage), a->text ? a->text : "");
                build_begin_stage(b, a->stage, a->text);
                break;
        case BUILD_ANSWER_PROGRESS:
                build_show_progress(b, a);
                break;
        case BUILD_ANSWER_WARNING:
                build_log_line(b, "warning", a->text);
                build_tell(b, EVENT_WARNING, a->text);
                break;
        case BUILD_ANSWER_NOTE:
                build_log_line(b, "", a->text);
                build_tell(b, EVENT_NOTE, a->text);
                break;
        case BUILD_ANSWER_LOG:
                build_keep_log(b, a->text, a->text_size);
                break;
        case BUILD_ANSWER_PLAN:
                take_plan(b, a);
                break;
        case BUILD_ANSWER_RESULT:
                take_result(b, a);
                break;
        case BUILD_ANSWER_ERROR:
                take_failure(b, a);
                break;
        }
}

void build_on_line(void *userdata, const char *line, size_t size, bool cut)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build *b = userdata;
        struct build_answer a;
        kt_log_scope(job_log_context(b->job));

        /* Nobody but it needs the lock from here on: it is free when it and its children have ended. */
        kt_closep(&b->helper_lock);
        b->helper_lock = -1;
        b->spoke = true;
        b->output_bytes += size;
        if (atomic_load(&b->ending))
                return;
        build_hear(b);
        if (cut)
                refuse(b, "said a line that is too long");
        else if (b->output_bytes > OUTPUT_MAX)
                refuse(b, "prints without end");
        else if (build_answer_parse(line, size, &a, &err) < 0)
                build_fail(b, &err);
        else {
                take_answer(b, &a);
                build_answer_done(&a);
        }
}
