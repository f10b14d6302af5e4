/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/kernel_version.h"
#include "connect.h"
#include "exit_status.h"
#include "interrupts.h"
#include "watch.h"

/* --- one build --- */

/* As they stand in git+URL#REF. */
static const struct rpc_name names[] = {{"version", "VERSION"}, {"git_url", "URL"}, {"git_ref", "REF"}, {}};

static struct json_object *build_parameters(const struct kernel_spec *what)
{
        struct json_object *params = json_object_new_object();
        static const char *const prefixes[] = {[KERNEL_GIT_ANY] = "",
                                               [KERNEL_GIT_TAG] = "refs/tags/",
                                               [KERNEL_GIT_BRANCH] = "refs/heads/",
                                               [KERNEL_GIT_SHA] = ""};

        if (!what)
                return params;
        if (what->kind == KERNEL_SPEC_GIT) {
                _cleanup_free_ char *ref = kt_format("%s%s", prefixes[what->git_ref_kind], what->git_ref);

                kt_json_add_str(params, "git_url", what->git_url);
                kt_json_add_str(params, "git_ref", ref);
        } else
                kt_json_add_str(params, "version", what->text);
        return params;
}

static const char not_cached[] = "it is not cached";

static int build(const struct verb *v, const struct globals *g, const struct kernel_spec *what,
                 const char *why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct globals for_a_person = *g;
        struct watch w = {.verb = v,
                          .globals = &for_a_person,
                          .on_stderr = true,
                          .build = true,
                          .cancel_on_interrupt = true,
                          .what = what ? what->text : "the newest stable kernel"};
        int status;

        for_a_person.json = false;
        fprintf(stderr, "building %s: %s\n", w.what, why);
        if (!client_connect_or_tell(v, g, &rpc, &status))
                return status;
        rpc.names = names;
        if (rpc_send(&rpc, "io.ktstrd.Kernel.Build", build_parameters(what), true, NULL, 0, &err) < 0)
                return client_tell(v, &err);
        status = watch_job(&w, &rpc);
        interrupts_release();
        /* A fail is said of schedulers; without its kernel there is nothing to say of one. */
        return status == EXIT_STATUS_FAIL ? EXIT_STATUS_HARNESS : status;
}

int kernel_fetch(const struct verb *v, const struct globals *g, const struct kernel_spec *what)
{
        return build(v, g, what, not_cached);
}

/* --- what is missing --- */

/* 1: it is, 0: it is not, below 0 why that cannot be told. */
static int is_cached(struct rpc *rpc, const char *spec, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int r;

        kt_json_add_str(params, "kernel", spec);
        r = rpc_call(rpc, "io.ktstrd.Kernel.Resolve", params, &reply, reterr);
        if (r < 0 && strcmp(reterr->name, KT_E_NO_SUCH_KERNEL) == 0) {
                kt_error_done(reterr);
                return 0;
        }
        return r < 0 ? r : 1;
}

static int versions(struct rpc *rpc, const char *range, bool fetch, struct json_object **ret,
                    struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int r;

        kt_json_add_str(params, "range", range);
        kt_json_add_bool(params, "fetch", fetch);
        r = rpc_call(rpc, "io.ktstrd.Kernel.Versions", params, &reply, reterr);
        if (r >= 0)
                *ret = json_object_get(kt_json_get(reply, "versions"));
        return r;
}

static bool is_among(struct json_object *versions, const char *version)
{
        for (size_t i = 0; i < json_object_array_length(versions); i++)
                if (kernel_version_compare(json_object_get_string(json_object_array_get_idx(versions, i)),
                                           version) == 0)
                        return true;
        return false;
}

static int fetch_version(const struct verb *v, const struct globals *g, const char *version)
{
        struct kernel_spec s;
        int status = kernel_spec_parse(version, &s, NULL) < 0 ? EXIT_STATUS_HARNESS : kernel_fetch(v, g, &s);

        kernel_spec_done(&s);
        return status;
}

/* Those that the range would be without. */
static bool fetch_range(const struct verb *v, const struct globals *g, struct rpc *rpc, const char *range,
                        int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *all = NULL, *cached = NULL;
        int r = versions(rpc, range, true, &all, &err);

        if (r >= 0)
                r = versions(rpc, range, false, &cached, &err);
        if (r < 0) {
                *ret_status = client_tell(v, &err);
                return false;
        }
        for (size_t i = 0; i < json_object_array_length(all); i++) {
                const char *version = json_object_get_string(json_object_array_get_idx(all, i));

                if (is_among(cached, version))
                        continue;
                *ret_status = fetch_version(v, g, version);
                if (*ret_status != 0)
                        return false;
        }
        return true;
}

/* Only a commit is the same tomorrow; one that is cached is known by its first digits too. */
static bool may_have_moved(const struct kernel_spec *s)
{
        const size_t n = s->kind == KERNEL_SPEC_GIT ? strlen(s->git_ref) : 0;

        if (s->kind != KERNEL_SPEC_GIT || s->git_ref_kind == KERNEL_GIT_SHA)
                return false;
        return s->git_ref_kind != KERNEL_GIT_ANY || n < 7 || strspn(s->git_ref, "0123456789abcdef") < n;
}

static bool fetch_one(const struct verb *v, const struct globals *g, struct rpc *rpc,
                      const struct kernel_spec *s, int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r;

        /* Whoever builds asks the repository first, and is done when that commit is cached. */
        if (may_have_moved(s)) {
                *ret_status = build(v, g, s, "unless the commit that it is now is cached");
                return *ret_status == 0;
        }
        r = is_cached(rpc, s->text, &err);
        if (r < 0)
                *ret_status = client_tell(v, &err);
        else if (r == 0)
                *ret_status = kernel_fetch(v, g, s);
        else
                return true;
        return *ret_status == 0;
}

bool kernel_fetch_missing(const struct verb *v, const struct globals *g, struct rpc *rpc, const char *spec,
                          int *ret_status)
{
        struct kernel_spec s;
        bool done = true;

        if (kernel_spec_parse(spec, &s, NULL) >= 0) {
                if (s.kind == KERNEL_SPEC_RANGE)
                        done = fetch_range(v, g, rpc, spec, ret_status);
                else if (s.kind == KERNEL_SPEC_VERSION || s.kind == KERNEL_SPEC_GIT)
                        done = fetch_one(v, g, rpc, &s, ret_status);
        }
        kernel_spec_done(&s);
        return done;
}
