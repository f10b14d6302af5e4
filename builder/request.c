/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"

#define JOBS_MAX 4096
#define OBJECTS_MAX 1000000
#define TEXT_MAX 4096

static const char *const kinds[_SOURCE_KIND_MAX] = {
        [SOURCE_VERSION] = "version", [SOURCE_TARBALL] = "tarball", [SOURCE_PACKAGE] = "package",
        [SOURCE_GIT] = "git",         [SOURCE_TREE] = "tree",
};

#define refuse(reterr, field, ...)                                                                          \
        kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, field, "request: " __VA_ARGS__)

/* *ret stays NULL when it may be absent, and is. A text that is needed is not empty. */
static int take_text(struct json_object *o, const char *key, const char *field, bool needed,
                     const char **ret, struct kt_error *reterr)
{
        struct json_object *value = kt_json_get(o, key);

        if (!value)
                return needed ? refuse(reterr, field, "%s is missing", field) : 0;
        if (!json_object_is_type(value, json_type_string))
                return refuse(reterr, field, "%s is no text", field);
        if (json_object_get_string_len(value) == 0)
                return needed ? refuse(reterr, field, "%s is empty", field) : 0;
        *ret = json_object_get_string(value);
        return 0;
}

static int take_path(struct json_object *o, const char *key, const char *field, const char **ret,
                     struct kt_error *reterr)
{
        int r = take_text(o, key, field, true, ret, reterr);

        if (r < 0)
                return r;
        if ((*ret)[0] != '/')
                return refuse(reterr, field, "%s must be an absolute path, not '%s'", field, *ret);
        if (strlen(*ret) > TEXT_MAX)
                return refuse(reterr, field, "%s is too long", field);
        return 0;
}

/* What git is given as an argument of its command line. */
static int take_git_text(struct json_object *o, const char *key, const char *field, const char **ret,
                         struct kt_error *reterr)
{
        int r = take_text(o, key, field, true, ret, reterr);

        if (r < 0)
                return r;
        if (strlen(*ret) > TEXT_MAX)
                return refuse(reterr, field, "%s is too long", field);
        for (const char *p = *ret; *p; p++)
                if ((unsigned char)*p <= ' ' || *p == 0x7f)
                        return refuse(reterr, field, "%s may have no blanks and control characters", field);
        if ((*ret)[0] == '-')
                return refuse(reterr, field, "%s may not begin with '-', as '%s' does", field, *ret);
        return 0;
}

static int take_bool(struct json_object *o, const char *key, bool *ret, struct kt_error *reterr)
{
        struct json_object *value = kt_json_get(o, key);

        if (value && !json_object_is_type(value, json_type_boolean))
                return refuse(reterr, key, "%s is neither true nor false", key);
        *ret = value && json_object_get_boolean(value);
        return 0;
}

static int take_number(struct json_object *o, const char *key, int64_t max, int64_t *ret,
                       struct kt_error *reterr)
{
        struct json_object *value = kt_json_get(o, key);

        *ret = 0;
        if (!value)
                return 0;
        if (!json_object_is_type(value, json_type_int))
                return refuse(reterr, key, "%s is no number", key);
        *ret = json_object_get_int64(value);
        if (*ret < 0 || *ret > max)
                return refuse(reterr, key, "%s must be from 0 to %lld, not %lld", key, (long long)max,
                              (long long)*ret);
        return 0;
}

static int refuse_others(struct json_object *o, const char *const *known, const char *where,
                         struct kt_error *reterr)
{
        json_object_object_foreach (o, key, value) {
                bool found = false;

                (void)value;
                for (const char *const *k = known; *k && !found; k++)
                        found = strcmp(*k, key) == 0;
                if (!found)
                        return refuse(reterr, key, "%s%s is not known", where, key);
        }
        return 0;
}

static int parse_source(struct json_object *o, struct request *q, struct kt_error *reterr)
{
        static const char *const known[_SOURCE_KIND_MAX][4] = {
                [SOURCE_VERSION] = {"kind", "version"}, [SOURCE_TARBALL] = {"kind", "path", "name"},
                [SOURCE_PACKAGE] = {"kind", "name"},    [SOURCE_GIT] = {"kind", "url", "ref"},
                [SOURCE_TREE] = {"kind", "path"},
        };
        const char *kind = NULL;
        int i, r;

        if (!json_object_is_type(o, json_type_object))
                return refuse(reterr, "source", "source is missing, or no object");
        r = take_text(o, "kind", "source.kind", true, &kind, reterr);
        if (r < 0)
                return r;
        for (i = 0; i < _SOURCE_KIND_MAX && strcmp(kinds[i], kind) != 0; i++)
                ;
        if (i == _SOURCE_KIND_MAX)
                return refuse(reterr, "source.kind",
                              "source.kind must be version, tarball, package, git or tree, not '%s'", kind);
        q->kind = (enum source_kind)i;
        r = refuse_others(o, known[i], "source.", reterr);
        if (r < 0)
                return r;
        switch (q->kind) {
        case SOURCE_VERSION:
                return take_text(o, "version", "source.version", false, &q->version, reterr);
        case SOURCE_TARBALL:
                r = take_path(o, "path", "source.path", &q->path, reterr);
                if (r >= 0)
                        r = take_text(o, "name", "source.name", false, &q->name, reterr);
                if (r >= 0 && !q->name)
                        q->name = q->path;
                return r;
        case SOURCE_PACKAGE:
                return take_text(o, "name", "source.name", true, &q->name, reterr);
        case SOURCE_GIT:
                r = take_git_text(o, "url", "source.url", &q->url, reterr);
                return r < 0 ? r : take_git_text(o, "ref", "source.ref", &q->ref, reterr);
        default:
                return take_path(o, "path", "source.path", &q->path, reterr);
        }
}

int request_parse(struct json_object *json, struct request *ret, struct kt_error *reterr)
{
        static const char *const known[] = {"source",  "profile", "extra_kconfig", "clean", "jobs",
                                            "objects", "work",    "net",           NULL};
        const char *profile = NULL;
        struct request q = {0};
        int64_t jobs = 0;
        int r;

        if (!json_object_is_type(json, json_type_object))
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "request: it is no object");
        r = refuse_others(json, known, "", reterr);
        if (r >= 0)
                r = parse_source(kt_json_get(json, "source"), &q, reterr);
        if (r >= 0)
                r = take_text(json, "profile", "profile", true, &profile, reterr);
        if (r >= 0)
                r = take_text(json, "extra_kconfig", "extra_kconfig", false, &q.extra_kconfig, reterr);
        if (r >= 0)
                r = take_bool(json, "clean", &q.clean, reterr);
        if (r >= 0)
                r = take_number(json, "jobs", JOBS_MAX, &jobs, reterr);
        if (r >= 0)
                r = take_number(json, "objects", OBJECTS_MAX, &q.objects, reterr);
        if (r >= 0)
                r = take_path(json, "work", "work", &q.work, reterr);
        if (r < 0)
                return r;
        if (kconfig_profile_from(profile, &q.profile) < 0)
                return refuse(reterr, "profile", "profile must be default or tiny, not '%s'", profile);
        q.jobs = (unsigned)jobs;
        *ret = q;
        return 0;
}
