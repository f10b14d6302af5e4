/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Kernel: the cache's calls block, so each is the work of a thread. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "kernel_json.h"
#include "kernel_work.h"
#include "method_kernel_info.h"
#include "server.h"

/* --- List --- */

static void do_list(struct kernel_work *w)
{
        w->result = kcache_list(w->kcache, &w->list, &w->error);
}

static struct json_object *reply_list(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object(), *a = json_object_new_array();

        for (struct kernel **k = w->list; k && *k; k++)
                json_object_array_add(a, kernel_json(*k));
        kt_json_add_str(o, "root", kcache_root(w->kcache));
        kt_json_add(o, "entries", a);
        return o;
}

static void list(struct call *call)
{
        struct kernel_work *w = kernel_work_new(call, do_list, reply_list);

        if (w)
                kernel_work_start(w);
}

/* --- Resolve, Remove --- */

static struct json_object *reply_entry(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "entry", kernel_json(w->kernel));
        return o;
}

static void do_resolve(struct kernel_work *w)
{
        w->result = kernel_resolve_as(w->kcache, &w->caller, w->spec, false, &w->kernel, &w->error);
}

static void do_remove(struct kernel_work *w)
{
        w->result = kcache_remove(w->kcache, w->spec, &w->error);
}

/* Nobody can ask for its guests any more. */
static struct json_object *reply_removed(struct kernel_work *w)
{
        (void)pool_drop(w->call->server->pool, w->spec, true);
        return json_object_new_object();
}

static void start_with_spec(struct call *call, const char *key, void (*work)(struct kernel_work *),
                            struct json_object *(*reply)(struct kernel_work *))
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *spec = kt_json_str(call->parameters, key);
        struct kernel_work *w = kernel_work_new(call, work, reply);

        if (!w)
                return;
        w->spec = spec ? strdup(spec) : NULL;
        if (spec && !w->spec) {
                kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
                kernel_work_fail(w, &err);
        } else
                kernel_work_start(w);
}

static void resolve(struct call *call)
{
        start_with_spec(call, "kernel", do_resolve, reply_entry);
}

static void remove_(struct call *call)
{
        start_with_spec(call, "key", do_remove, reply_removed);
}

/* --- Import --- */

static int open_paths(struct kernel_work *w)
{
        for (size_t i = 0; i < w->n_files; i++) {
                struct kernel_file *f = &w->files[i];

                if (f->fd < 0)
                        f->fd = kernel_open(&w->caller, AT_FDCWD, f->path, &w->error);
                if (f->fd < 0)
                        return f->fd;
        }
        return 0;
}

static void do_import(struct kernel_work *w)
{
        struct kernel_source from = {.files = w->files,
                                     .n_files = w->n_files,
                                     .caller = &w->caller,
                                     .on_stage = w->tells_stages ? kernel_work_stage : NULL,
                                     .userdata = w};

        w->result = open_paths(w);
        if (w->result >= 0)
                w->result = kernel_import(w->kcache, &from, &w->kernel, &w->existed, &w->error);
}

static struct json_object *reply_import(struct kernel_work *w)
{
        struct json_object *o = reply_entry(w);

        kt_json_add_bool(o, "existed", w->existed);
        return o;
}

static int take_file(struct call *call, struct json_object *o, struct kernel_file *ret,
                     struct kt_error *reterr)
{
        const char *path = kt_json_str(o, "path");
        bool has_fd = kt_json_get(o, "file_fd") != NULL;

        ret->fd = -1;
        ret->name = strdup(kt_json_str(o, "name"));
        if (!ret->name)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if ((path != NULL) == has_fd || (path && path[0] != '/'))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files",
                                          "a file needs either an absolute path or file_fd");
        ret->path = path ? strdup(path) : NULL;
        if (path && !ret->path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return has_fd ? call_take_fd(call, kt_json_int(o, "file_fd", -1), "files.file_fd", &ret->fd, reterr)
                      : 0;
}

static void import(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *files = kt_json_get(call->parameters, "files");
        size_t n = json_object_array_length(files);
        struct kernel_work *w = kernel_work_new(call, do_import, reply_import);

        if (!w)
                return;
        w->files = n >= 1 && n <= 3 ? calloc(n, sizeof(*w->files)) : NULL;
        int r = w->files ? 0
                         : kt_error_set_field(&err, -EINVAL, KT_E_INVALID_PARAMETER, "files",
                                              "one kernel comes in one to three files, not %zu", n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                w->n_files = i + 1;
                r = take_file(call, json_object_array_get_idx(files, i), &w->files[i], &err);
        }
        if (r >= 0 && call->more && kernel_work_tell_stages(w) < 0)
                r = kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r < 0)
                kernel_work_fail(w, &err);
        else
                kernel_work_start(w);
}

const struct method methods_kernel[] = {
        {"io.ktstrd.Kernel.Import", import},
        {"io.ktstrd.Kernel.List", list, .while_draining = true},
        {"io.ktstrd.Kernel.Info", method_kernel_info, .while_draining = true},
        {"io.ktstrd.Kernel.Diff", method_kernel_diff, .while_draining = true},
        {"io.ktstrd.Kernel.Remove", remove_},
        {"io.ktstrd.Kernel.Resolve", resolve, .while_draining = true},
        {},
};
