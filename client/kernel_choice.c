/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_choice.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/kernel_spec.h"
#include "connect.h"
#include "kernel_candidates.h"
#include "kernel_fetch.h"

void kernel_choice_done(struct kernel_choice *c)
{
        json_object_put(c->specs);
        *c = (struct kernel_choice){};
}

/* --- what was named --- */

/* One that does not exist is made absolute too: the daemon's error names it. */
static char *absolute_path(const char *path)
{
        const char *home = getenv("HOME");
        _cleanup_free_ char *at_home = NULL, *cwd = NULL;
        char resolved[PATH_MAX];

        if (strncmp(path, "~/", 2) == 0 && home && *home) {
                at_home = kt_path_join(home, path + 2);
                if (!at_home)
                        return NULL;
                path = at_home;
        }
        if (realpath(path, resolved))
                return strdup(resolved);
        if (path[0] == '/')
                return strdup(path);
        while (strncmp(path, "./", 2) == 0)
                path += 2;
        cwd = realpath(".", NULL);
        return cwd ? kt_path_join(cwd, path) : strdup(path);
}

char *kernel_choice_git_url(const char *url)
{
        _cleanup_free_ char *path = strstr(url, "://") ? NULL : absolute_path(url);

        return path && access(path, F_OK) == 0 ? TAKE_PTR(path) : strdup(url);
}

/* The daemon stands elsewhere. */
static char *absolute_spec(const struct kernel_spec *spec)
{
        _cleanup_free_ char *url = NULL;

        if (spec->kind == KERNEL_SPEC_PATH)
                return absolute_path(spec->text);
        if (spec->kind != KERNEL_SPEC_GIT)
                return strdup(spec->text);
        url = kernel_choice_git_url(spec->git_url);
        return url ? kt_format("git+%s%s", url, strrchr(spec->text, '#')) : NULL;
}

int kernel_choice_spec(const char *text, char **ret, struct kt_error *reterr)
{
        struct kernel_spec spec;
        char *name = NULL;
        int r = kernel_spec_parse(text, &spec, reterr);

        if (r >= 0) {
                name = absolute_spec(&spec);
                if (!name)
                        r = kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        kernel_spec_done(&spec);
        if (r >= 0)
                *ret = name;
        return r;
}

int kernel_choice_add(struct kernel_choice *c, const char *text, struct kt_error *reterr)
{
        _cleanup_free_ char *spec = NULL;
        int r = kernel_choice_spec(text, &spec, reterr);

        if (r < 0)
                return r;
        if (!c->specs)
                c->specs = json_object_new_array();
        json_object_array_add(c->specs, json_object_new_string(spec));
        return 0;
}

int kernel_choice_add_default(struct kernel_choice *c, struct kt_error *reterr)
{
        const char *text = getenv("KTSTR_KERNEL");
        _cleanup_free_ char *copy = NULL;
        char *save = NULL;

        if (c->specs || !text || !*text)
                return 0;
        /* A path may have blanks in it. */
        if (strchr(text, '/') && access(text, F_OK) == 0)
                return kernel_choice_add(c, text, reterr);
        copy = strdup(text);
        if (!copy)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        for (char *p = strtok_r(copy, " \t\n", &save); p; p = strtok_r(NULL, " \t\n", &save)) {
                int r = kernel_choice_add(c, p, reterr);

                if (r < 0)
                        return kt_error_prefix(reterr, "KTSTR_KERNEL"), r;
        }
        return 0;
}

static const char *spec_at(const struct kernel_choice *c, size_t i)
{
        return json_object_get_string(json_object_array_get_idx(c->specs, i));
}

static size_t count(const struct kernel_choice *c)
{
        return c->specs ? json_object_array_length(c->specs) : 0;
}

static bool is_range(const char *text)
{
        struct kernel_spec spec;
        bool range = kernel_spec_parse(text, &spec, NULL) >= 0 && spec.kind == KERNEL_SPEC_RANGE;

        kernel_spec_done(&spec);
        return range;
}

bool kernel_choice_is_several(const struct kernel_choice *c)
{
        return count(c) > 1 || (count(c) == 1 && is_range(spec_at(c, 0)));
}

const char *kernel_choice_name(struct json_object *resolved)
{
        const char *spec = kt_json_str(resolved, "spec");

        return spec && spec[0] == '/' ? spec : kt_json_str(kt_json_get(resolved, "entry"), "key");
}

/* --- what it comes to --- */

static int resolve(struct rpc *rpc, struct json_object *specs, struct json_object **ret,
                   struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int r;

        if (specs)
                kt_json_add(params, "kernels", json_object_get(specs));
        r = rpc_call(rpc, "io.ktstrd.Kernel.Resolve", params, &reply, reterr);
        if (r >= 0)
                *ret = json_object_get(kt_json_get(reply, "resolved"));
        return r;
}

static bool is_missing(int r, const struct kt_error *err)
{
        return r < 0 && err->name && strcmp(err->name, KT_E_NO_SUCH_KERNEL) == 0;
}

/* What is wrong with a kernel that was not asked for; NULL when it will do. */
static const char *shortcoming(struct json_object *entry)
{
        if (!kt_json_bool(entry, "sched_ext", false))
                return "it has no sched_ext";
        return kt_json_bool(entry, "has_btf", false) ? NULL : "it has no BTF";
}

/* False: this one will not do, which was told. */
static bool try_candidate(struct rpc *rpc, const char *path, struct json_object **ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(kernel_choice_done) struct kernel_choice c = {};
        const char *why = NULL;
        int r = kernel_choice_add(&c, path, &err);

        if (r >= 0)
                r = resolve(rpc, c.specs, ret, &err);
        if (r >= 0)
                why = shortcoming(kt_json_get(json_object_array_get_idx(*ret, 0), "entry"));
        if (r >= 0 && !why) {
                fprintf(stderr, "using %s: nothing that will do is cached\n", path);
                return true;
        }
        fprintf(stderr, "passing over %s: %s\n", path, why ? why : kt_error_text(&err));
        if (r >= 0)
                json_object_put(TAKE_PTR(*ret));
        return false;
}

static bool discover(struct rpc *rpc, struct json_object **ret)
{
        struct utsname host = {};
        bool found = false;
        char **paths;

        uname(&host);
        paths = kernel_candidates(".", "", host.release);
        for (char **p = paths; p && *p && !found; p++)
                found = try_candidate(rpc, *p, ret);
        kernel_candidates_free(paths);
        return found;
}

/* The daemon's word, and then what lies about here. */
static bool resolve_or_tell(const struct kernel_choice *c, const struct verb *v, const struct globals *g,
                            struct rpc *rpc, struct json_object **ret, int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = resolve(rpc, c->specs, ret, &err);

        if (is_missing(r, &err) && !c->specs) {
                if (c->fetch) {
                        *ret_status = kernel_fetch(v, g, NULL);
                        if (*ret_status != 0)
                                return false;
                        kt_error_done(&err);
                        r = resolve(rpc, NULL, ret, &err);
                } else if (discover(rpc, ret))
                        return true;
        }
        if (r >= 0)
                return true;
        *ret_status = client_tell(v, &err);
        return false;
}

bool kernel_choice_resolve(const struct kernel_choice *c, const struct verb *v, const struct globals *g,
                           struct json_object **ret, int *ret_status)
{
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};

        if (!client_connect_or_tell(v, g, &rpc, ret_status))
                return false;
        for (size_t i = 0; c->fetch && i < count(c); i++)
                if (!kernel_fetch_missing(v, g, &rpc, spec_at(c, i), ret_status))
                        return false;
        if (!resolve_or_tell(c, v, g, &rpc, ret, ret_status))
                return false;
        for (size_t i = 0; i < json_object_array_length(*ret); i++) {
                const char *note = kt_json_str(json_object_array_get_idx(*ret, i), "note");

                if (note)
                        fprintf(stderr, "note: %s\n", note);
        }
        return true;
}

/* All of them by name, so that one can be picked. */
static int tell_several(const struct verb *v, struct json_object *resolved)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0, n = json_object_array_length(resolved);
        FILE *f = open_memstream(&text, &size);

        for (size_t i = 0; f && i < n; i++)
                fprintf(f, "%s%s", i ? ", " : "",
                        kernel_choice_name(json_object_array_get_idx(resolved, i)));
        if (f)
                fclose(f);
        return verb_usage_error(v, "it takes one kernel, and that is %zu: %s", n, text ? text : "");
}

/* What lies about here, where the daemon has nothing; else NULL: what the daemon has, or says. */
static bool default_or_candidate(const struct verb *v, const struct globals *g, struct json_object **ret,
                                 int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        int r;

        if (!client_connect_or_tell(v, g, &rpc, ret_status))
                return false;
        r = resolve(&rpc, NULL, ret, &err);
        if (r >= 0)
                json_object_put(TAKE_PTR(*ret));
        else if (is_missing(r, &err))
                (void)discover(&rpc, ret);
        return true;
}

bool kernel_choice_one(const struct kernel_choice *c, const struct verb *v, const struct globals *g,
                       struct json_object *params, int *ret_status)
{
        _cleanup_json_ struct json_object *resolved = NULL;

        /* What one name means the daemon finds out when the job's turn comes. */
        if (count(c) == 1 && !kernel_choice_is_several(c) && !c->fetch) {
                kt_json_add_str(params, "kernel", spec_at(c, 0));
                return true;
        }
        /* That there is none is for the daemon to say, as it says whatever else is wrong with a job. */
        if (count(c) == 0 && !c->fetch) {
                if (!default_or_candidate(v, g, &resolved, ret_status))
                        return false;
        } else if (!kernel_choice_resolve(c, v, g, &resolved, ret_status))
                return false;
        if (resolved && json_object_array_length(resolved) != 1) {
                *ret_status = tell_several(v, resolved);
                return false;
        }
        if (resolved)
                kt_json_add_str(params, "kernel",
                                kernel_choice_name(json_object_array_get_idx(resolved, 0)));
        return true;
}
