/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/buildmsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel.h"

#define DETAILS_MAX 256U

const char *build_stage_name(enum build_stage stage)
{
        static const char *const names[] = BUILD_STAGES;

        return stage < KT_ARRAY_SIZE(names) ? names[stage] : "store";
}

void build_plan_done(struct build_plan *p)
{
        free(p->source);
        free(p->version);
        free(p->name);
        free(p->url);
        free(p->ref);
        free(p->git_hash);
        free(p->tree_path);
        free(p->source_sha256);
        free(p->own_config);
        free(p->why);
        *p = (struct build_plan){};
}

void build_result_done(struct build_result *r)
{
        free(r->tree);
        free(r->config);
        free(r->config_hash);
        free(r->version);
        free(r->release);
        free(r->why);
        *r = (struct build_result){};
}

void build_failure_done(struct build_failure *f)
{
        free(f->message);
        for (size_t i = 0; i < f->n_details; i++)
                free(f->details[i]);
        free(f->details);
        *f = (struct build_failure){};
}

void build_answer_done(struct build_answer *a)
{
        free(a->text);
        free(a->progress.file);
        build_plan_done(&a->plan);
        build_result_done(&a->result);
        build_failure_done(&a->failure);
        *a = (struct build_answer){};
}

/* --- members --- */

static int bad(struct kt_error *reterr, const char *what, const char *key)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_INTERNAL, BUILD_PROGRAM " said what it may not say: %s%s",
                            key, what);
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* One line for a person: what would end it, or do something to a terminal, is a blank. */
static void make_one_line(char *text)
{
        for (unsigned char *p = (unsigned char *)text; *p; p++) {
                if (*p < 0x20 || *p == 0x7f)
                        *p = ' ';
                /* U+0080 to U+009F */
                else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
                        p[0] = p[1] = ' ';
        }
}

static int take_text(struct json_object *v, const char *key, char **ret, struct kt_error *reterr)
{
        if (!v || !json_object_is_type(v, json_type_string))
                return bad(reterr, " is no text", key);
        *ret = strdup(json_object_get_string(v));
        if (!*ret)
                return oom(reterr);
        make_one_line(*ret);
        return 0;
}

/* A member that may be absent; then *ret stays NULL. */
static int take_optional(struct json_object *o, const char *key, char **ret, struct kt_error *reterr)
{
        struct json_object *v = kt_json_get(o, key);

        return v ? take_text(v, key, ret, reterr) : 0;
}

static int take_required(struct json_object *o, const char *key, char **ret, struct kt_error *reterr)
{
        int r = take_text(kt_json_get(o, key), key, ret, reterr);

        return r < 0 ? r : **ret ? 0 : bad(reterr, " is empty", key);
}

static bool is_hex(const char *text, size_t min, size_t max)
{
        size_t n = strspn(text, "0123456789abcdef");

        return !text[n] && n >= min && n <= max;
}

static int take_hash(struct json_object *o, const char *key, size_t min, size_t max, char **ret,
                     struct kt_error *reterr)
{
        int r = take_optional(o, key, ret, reterr);

        return r < 0 || !*ret || is_hex(*ret, min, max) ? r : bad(reterr, " is no hash", key);
}

/* Without "." and "..": what is below a folder by its text is below it. */
static bool is_plain_path(const char *path)
{
        if (*path != '/')
                return false;
        while (*path == '/') {
                size_t n = strcspn(++path, "/");

                if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                path += n;
        }
        return true;
}

static int take_path(struct json_object *o, const char *key, char **ret, struct kt_error *reterr)
{
        struct json_object *v = kt_json_get(o, key);

        if (!v)
                return 0;
        if (!json_object_is_type(v, json_type_string) || !is_plain_path(json_object_get_string(v)))
                return bad(reterr, " is no absolute path", key);
        *ret = strdup(json_object_get_string(v));
        return *ret ? 0 : oom(reterr);
}

/* What a file may be called: versions and releases become parts of names. */
static int take_name(struct json_object *o, const char *key, char **ret, struct kt_error *reterr)
{
        int r = take_optional(o, key, ret, reterr);

        if (r < 0 || !*ret)
                return r;
        return kernel_key_is_valid(*ret) && strlen(*ret) <= 128 ? 0 : bad(reterr, " is no name", key);
}

static int take_cacheable(struct json_object *o, bool *ret, char **ret_why, struct kt_error *reterr)
{
        struct json_object *v = kt_json_get(o, "cacheable");

        if (!v || !json_object_is_type(v, json_type_boolean))
                return bad(reterr, " is neither true nor false", "cacheable");
        *ret = json_object_get_boolean(v);
        return *ret ? take_optional(o, "why", ret_why, reterr) : take_required(o, "why", ret_why, reterr);
}

static int take_number(struct json_object *o, const char *key, int64_t min, int64_t *ret,
                       struct kt_error *reterr)
{
        struct json_object *v = kt_json_get(o, key);

        if (!v || !json_object_is_type(v, json_type_int) || json_object_get_int64(v) < min)
                return bad(reterr, " is no number that makes sense", key);
        *ret = json_object_get_int64(v);
        return 0;
}

/* --- the answers --- */

static int parse_stage(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        const char *name = json_object_get_string(kt_json_get(o, "stage"));

        for (int i = 0; name && i < BUILD_STAGE_STORE; i++)
                if (strcmp(name, build_stage_name((enum build_stage)i)) == 0) {
                        a->stage = (enum build_stage)i;
                        return take_optional(o, "message", &a->text, reterr);
                }
        return bad(reterr, "no such stage", "");
}

static int parse_progress(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        const char *unit;
        int r;

        r = take_number(o, "done", 0, &a->progress.done, reterr);
        if (r >= 0)
                r = take_number(o, "total", -1, &a->progress.total, reterr);
        if (r < 0)
                return r;
        unit = json_object_get_string(kt_json_get(o, "unit"));
        a->progress.unit = unit && strcmp(unit, "bytes") == 0     ? "bytes"
                           : unit && strcmp(unit, "objects") == 0 ? "objects"
                                                                  : NULL;
        if (!a->progress.unit)
                return bad(reterr, " is neither bytes nor objects", "unit");
        return take_optional(o, "file", &a->progress.file, reterr);
}

static int parse_log(struct json_object *v, struct build_answer *a, struct kt_error *reterr)
{
        if (!json_object_is_type(v, json_type_string))
                return bad(reterr, " is no text", "log");
        a->text_size = (size_t)json_object_get_string_len(v);
        a->text = malloc(a->text_size + 1);
        if (!a->text)
                return oom(reterr);
        memcpy(a->text, json_object_get_string(v), a->text_size + 1);
        return 0;
}

static int parse_plan(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        struct build_plan *p = &a->plan;
        int r;

        r = take_required(o, "source", &p->source, reterr);
        if (r >= 0 && strcmp(p->source, "tarball") != 0 && strcmp(p->source, "git") != 0 &&
            strcmp(p->source, "local") != 0)
                r = bad(reterr, " is none of tarball, git and local", "source");
        if (r >= 0)
                r = take_required(o, "name", &p->name, reterr);
        if (r >= 0)
                r = take_name(o, "version", &p->version, reterr);
        if (r >= 0)
                r = take_optional(o, "url", &p->url, reterr);
        if (r >= 0)
                r = take_optional(o, "ref", &p->ref, reterr);
        if (r >= 0)
                r = take_hash(o, "git_hash", 40, 64, &p->git_hash, reterr);
        if (r >= 0)
                r = take_path(o, "tree_path", &p->tree_path, reterr);
        if (r >= 0)
                r = take_hash(o, "source_sha256", 64, 64, &p->source_sha256, reterr);
        if (r >= 0)
                r = take_hash(o, "own_config", 8, 8, &p->own_config, reterr);
        return r < 0 ? r : take_cacheable(o, &p->cacheable, &p->why, reterr);
}

static int parse_result(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        struct build_result *p = &a->result;
        int r;

        p->objects = -1;
        r = take_path(o, "tree", &p->tree, reterr);
        if (r >= 0 && !p->tree)
                r = bad(reterr, " is missing", "tree");
        if (r >= 0)
                r = take_path(o, "config", &p->config, reterr);
        if (r >= 0)
                r = take_hash(o, "config_hash", 8, 8, &p->config_hash, reterr);
        if (r >= 0)
                r = take_name(o, "version", &p->version, reterr);
        if (r >= 0)
                r = take_name(o, "release", &p->release, reterr);
        if (r >= 0 && kt_json_get(o, "objects"))
                r = take_number(o, "objects", 0, &p->objects, reterr);
        return r < 0 ? r : take_cacheable(o, &p->cacheable, &p->why, reterr);
}

/* Its own word for what went wrong, where that is one of those that building has. */
static const char *error_name(const char *name)
{
        static const char *const names[] = {
                KT_E_BUILD,
                KT_E_DOWNLOAD,
                KT_E_NO_SUCH_KERNEL,
                KT_E_BAD_KERNEL,
                KT_E_IO,
                KT_E_INTERNAL,
                KT_E_KERNEL_UNSUITABLE,
                KT_E_PERMISSION_DENIED,
                KT_E_INVALID_PARAMETER,
        };

        for (size_t i = 0; name && i < KT_ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return names[i];
        return KT_E_INTERNAL;
}

static int parse_error(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        struct build_failure *f = &a->failure;
        struct json_object *details = kt_json_get(o, "details");
        size_t n;
        int r;

        f->name = error_name(json_object_get_string(kt_json_get(o, "name")));
        r = take_required(o, "message", &f->message, reterr);
        if (r < 0 || !details)
                return r;
        if (!json_object_is_type(details, json_type_array))
                return bad(reterr, " is no list", "details");
        n = json_object_array_length(details);
        n = n > DETAILS_MAX ? DETAILS_MAX : n;
        f->details = calloc(n ? n : 1, sizeof(char *));
        if (!f->details)
                return oom(reterr);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = take_text(json_object_array_get_idx(details, i), "details", &f->details[i], reterr);
                f->n_details += r >= 0;
        }
        return r;
}

static int parse_object(struct json_object *v, struct build_answer *a, struct kt_error *reterr,
                        int (*parse)(struct json_object *, struct build_answer *, struct kt_error *))
{
        return json_object_is_type(v, json_type_object) ? parse(v, a, reterr)
                                                        : bad(reterr, "what it tells is no object", "");
}

static int parse_line(struct json_object *o, struct build_answer *a, struct kt_error *reterr)
{
        static const char *const members[] = {
                [BUILD_ANSWER_STAGE] = "stage",     [BUILD_ANSWER_PROGRESS] = "progress",
                [BUILD_ANSWER_WARNING] = "warning", [BUILD_ANSWER_NOTE] = "note",
                [BUILD_ANSWER_LOG] = "log",         [BUILD_ANSWER_PLAN] = "plan",
                [BUILD_ANSWER_RESULT] = "result",   [BUILD_ANSWER_ERROR] = "error",
        };
        struct json_object *v = NULL;
        unsigned n = 0;

        if (!json_object_is_type(o, json_type_object))
                return bad(reterr, "a line that is no object", "");
        for (size_t i = 0; i < KT_ARRAY_SIZE(members); i++)
                if (kt_json_get(o, members[i])) {
                        v = kt_json_get(o, members[i]);
                        a->kind = (enum build_answer_kind)i;
                        n++;
                }
        if (n != 1)
                return bad(reterr, n ? "two things in one line" : "a line that says nothing", "");
        switch (a->kind) {
        case BUILD_ANSWER_STAGE:
                return parse_stage(o, a, reterr);
        case BUILD_ANSWER_PROGRESS:
                return parse_object(v, a, reterr, parse_progress);
        case BUILD_ANSWER_LOG:
                return parse_log(v, a, reterr);
        case BUILD_ANSWER_PLAN:
                return parse_object(v, a, reterr, parse_plan);
        case BUILD_ANSWER_RESULT:
                return parse_object(v, a, reterr, parse_result);
        case BUILD_ANSWER_ERROR:
                return parse_object(v, a, reterr, parse_error);
        default:
                return take_text(v, members[a->kind], &a->text, reterr);
        }
}

int build_answer_parse(const char *line, size_t size, struct build_answer *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build_answer a = {};
        int r;

        r = kt_json_parse(line, size, &o, &err);
        if (r == -ENOMEM)
                return oom(reterr);
        if (r < 0) {
                _cleanup_free_ char *shown = kt_utf8_repair(line, size < 80 ? size : 80);

                return kt_error_set(reterr, -EBADMSG, KT_E_INTERNAL,
                                    BUILD_PROGRAM " said what makes no sense (%s): %s", kt_error_text(&err),
                                    shown ? shown : "");
        }
        r = parse_line(o, &a, reterr);
        if (r < 0) {
                build_answer_done(&a);
                return r;
        }
        *ret = a;
        return 0;
}
