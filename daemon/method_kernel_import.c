/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method_kernel_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel_json.h"
#include "kernel_work.h"
#include "server.h"

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
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "entry", kernel_json(w->kernel));
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

void method_kernel_import(struct call *call)
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
