/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scheduler under test is the agent's: it is asked. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../proto/codec.h"
#include "../../proto/guestmsg.h"
#include "op.h"

int op_scheduler_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        if (r->b->ctx.scheduler)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL, "the test has no scheduler: it runs under EEVDF");
}

/* scheduler: whose name it is then; NULL: the same. */
static int ask(struct run *r, struct json_object *question, const char *name, const char *scheduler,
               struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *owned = question, *answer = NULL;
        struct ktstr_ctx *ctx = &r->b->ctx;
        int e;

        kt_json_add_str(question, "ask", name);
        e = conversation_ask(&r->b->talk, json_object_get(question), &answer, reterr);
        if (e < 0)
                return e;
        ctx->sched_pid = (pid_t)kt_json_int(answer, "pid", 0);
        ctx->scheduler = scheduler ?: ctx->scheduler;
        /* What was to be written to it meanwhile; nothing of the test may wait any more. */
        conversation_poll(&r->b->talk, 0);
        return 0;
}

int op_detach_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return ask(r, json_object_new_object(), "sched_stop", NULL, reterr);
}

int op_attach_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return ask(r, json_object_new_object(), "sched_start", NULL, reterr);
}

int op_restart_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return ask(r, json_object_new_object(), "sched_restart", NULL, reterr);
}

static void add_arg(struct json_object *argv, const char *arg)
{
        json_object_array_add(argv, json_object_new_string(arg));
}

static const char *program_of(const struct ktstr_scheduler *s)
{
        return s->binary ?: s->binary_path;
}

/* In the guest each has its own name, but for one that is the same program as the test's, which is there
 * already. */
static const char *file_name(const struct run *r, const struct ktstr_scheduler *s)
{
        const struct ktstr_test *test = r->b->ctx.test;
        const struct ktstr_scheduler *own = test ? test->scheduler : NULL;
        bool same = own && program_of(own) && program_of(s) && strcmp(program_of(own), program_of(s)) == 0;

        return same ? own->name : s->name;
}

static char *path_of(const struct run *r, const struct ktstr_scheduler *s)
{
        return kt_format("%s/%s", KT_GUEST_BIN_DIR, file_name(r, s));
}

/* As the daemon starts the one under test: see struct ktstr_scheduler. */
static struct json_object *argv_of(const struct run *r, const struct ktstr_scheduler *s)
{
        _cleanup_free_ char *program = path_of(r, s);
        struct json_object *argv = json_object_new_array();

        add_arg(argv, program ?: "");
        if (s->config_file) {
                const char *slash = strrchr(s->config_file, '/');
                _cleanup_free_ char *config =
                        kt_format("%s/%s", KT_GUEST_INCLUDE_DIR, slash ? slash + 1 : s->config_file);

                add_arg(argv, "--config");
                add_arg(argv, config ?: "");
        }
        for (const char *const *arg = s->sched_args; arg && *arg; arg++)
                add_arg(argv, *arg);
        return argv;
}

/* The client leaves out what it does not find: a test that never asks for it need not care. */
static int check_is_there(const struct run *r, const struct ktstr_scheduler *s, struct kt_error *reterr)
{
        _cleanup_free_ char *path = path_of(r, s);

        if (path && access(path, X_OK) == 0)
                return 0;
        return kt_error_set(reterr, -ENOENT, NULL,
                            "'%s' is not in the guest: scheduler binary '%s' was not found "
                            "when the test was submitted",
                            s->name, program_of(s) ?: "");
}

int op_replace_scheduler_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e = op_scheduler_check(r, op, reterr);

        if (e < 0)
                return e;
        if (!op->scheduler || !op->scheduler->name)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no scheduler to replace it with");
        if (op->scheduler->kernel_builtin_enable)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "'%s' is part of the kernel, and no program to start",
                                    op->scheduler->name);
        return check_is_there(r, op->scheduler, reterr);
}

int op_replace_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct json_object *question = json_object_new_object();

        kt_json_add_str(question, "name", op->scheduler->name);
        kt_json_add(question, "argv", argv_of(r, op->scheduler));
        return ask(r, question, "sched_replace", op->scheduler->name, reterr);
}
