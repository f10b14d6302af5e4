/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method_kernel_resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel_json.h"
#include "kernel_work.h"
#include "release_fetch.h"
#include "server.h"

/* --- Resolve --- */

static void do_resolve(struct kernel_work *w)
{
        w->result = kernel_resolve_set(w->kcache, &w->caller, w->specs, &w->set, &w->error);
}

static struct json_object *resolved_json(const struct kernel_resolved *r)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "spec", r->spec);
        kt_json_add_str(o, "label", r->label);
        kt_json_add_str(o, "note", r->note);
        kt_json_add(o, "entry", kernel_json(r->kernel));
        return o;
}

static struct json_object *reply_resolved(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object(), *a = json_object_new_array();

        for (size_t i = 0; i < w->set.n; i++)
                json_object_array_add(a, resolved_json(&w->set.items[i]));
        kt_json_add(o, "entry", kernel_json(w->set.items[0].kernel));
        kt_json_add(o, "resolved", a);
        return o;
}

static int take_specs(struct kernel_work *w, struct kt_error *reterr)
{
        const char *one = kt_json_str(w->call->parameters, "kernel");
        struct json_object *several = kt_json_get(w->call->parameters, "kernels");
        size_t n = several ? json_object_array_length(several) : 0;

        if (one && several)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernels",
                                          "kernel and kernels are two ways to say the same; take one");
        w->specs = calloc(n + 2, sizeof(char *));
        if (!w->specs || (one && !(w->specs[0] = strdup(one))))
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        for (size_t i = 0; i < n; i++) {
                w->specs[i] = strdup(json_object_get_string(json_object_array_get_idx(several, i)));
                if (!w->specs[i])
                        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        return 0;
}

void method_kernel_resolve(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kernel_work *w = kernel_work_new(call, do_resolve, reply_resolved);

        if (!w)
                return;
        if (take_specs(w, &err) < 0)
                kernel_work_fail(w, &err);
        else
                kernel_work_start(w);
}

/* --- Versions --- */

static void do_versions(struct kernel_work *w)
{
        w->result = kernel_versions(w->kcache, &w->range, &w->versions, &w->error);
        if (w->result >= 0 && w->fetch)
                (void)release_list_load(kcache_root(w->kcache), RELEASE_LIST_MAX_AGE_MS, &w->releases);
}

/* Of the rest of the list nothing is for use: what is to come, and what is not Linus's. */
static int add_releases(struct kernel_work *w, const struct release_list *list)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < list->n; i++)
                if (strcmp(list->of[i].moniker, "stable") == 0 ||
                    strcmp(list->of[i].moniker, "longterm") == 0)
                        r = kernel_versions_add(&w->versions, &w->range, list->of[i].version);
        return r < 0 ? kt_error_set(&w->error, r, KT_E_INTERNAL, "out of memory") : 0;
}

static void on_releases(void *userdata, const struct release_list *list, const char *why)
{
        struct kernel_work *w = userdata;

        w->result = list ? add_releases(w, list)
                         : kt_error_set(&w->error, -EIO, KT_E_DOWNLOAD,
                                        "what kernel.org has of %s cannot be told: %s; without --fetch it "
                                        "is what is cached",
                                        w->range.text, why);
        kernel_work_finish(w);
}

static void want_releases(struct kernel_work *w)
{
        if (!w->fetch)
                kernel_work_finish(w);
        else if (w->releases)
                on_releases(w, w->releases, NULL);
        else if (release_fetch(w->call->server->releases, on_releases, w) < 0)
                on_releases(w, NULL, "out of memory");
}

static struct json_object *reply_versions(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object(), *a = json_object_new_array();

        for (char **v = w->versions; *v; v++)
                json_object_array_add(a, json_object_new_string(*v));
        kt_json_add_str(o, "range", w->range.text);
        kt_json_add_str(o, "start", w->range.start);
        kt_json_add_str(o, "end", w->range.end);
        kt_json_add(o, "versions", a);
        return o;
}

void method_kernel_versions(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *range = kt_json_str(call->parameters, "range");
        struct kernel_work *w = kernel_work_new(call, do_versions, reply_versions);
        int r;

        if (!w)
                return;
        w->then = want_releases;
        w->fetch = kt_json_bool(call->parameters, "fetch", false);
        r = kernel_spec_parse(range, &w->range, &err);
        if (r >= 0 && w->range.kind != KERNEL_SPEC_RANGE)
                r = kt_error_set_field(&err, -EINVAL, KT_E_INVALID_PARAMETER, "range",
                                       "'%s' is no range of versions like 6.14..6.16", range);
        if (r < 0)
                kernel_work_fail(w, &err);
        else
                kernel_work_start(w);
}
