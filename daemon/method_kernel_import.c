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

static int open_downloaded(struct kernel_work *w, size_t i)
{
        int fd = kernel_downloaded_open(&w->downloaded[i]);

        return fd < 0 ? kt_error_set(&w->error, fd, KT_E_IO, "cannot open what was downloaded of %s: %s",
                                     w->urls[i], strerror(-fd))
                      : fd;
}

static int open_files(struct kernel_work *w)
{
        for (size_t i = 0; i < w->n_files; i++) {
                struct kernel_file *f = &w->files[i];

                if (w->urls[i])
                        f->fd = open_downloaded(w, i);
                else if (f->fd < 0)
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

        w->result = open_files(w);
        if (w->result >= 0)
                w->result = kernel_import(w->kcache, &from, &w->kernel, &w->existed, &w->error);
        for (size_t i = 0; i < w->n_files; i++)
                kernel_downloaded_remove(&w->downloaded[i]);
}

static struct json_object *reply_import(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "entry", kernel_json(w->kernel));
        kt_json_add_bool(o, "existed", w->existed);
        return o;
}

/* --- downloads, on the loop, one after the other; then the work --- */

static void download_next(struct kernel_work *w);

static void on_cancel(struct call *call)
{
        struct kernel_work *w = call->userdata;

        if (w->download)
                kernel_download_stop(w->download);
}

static void on_stage(void *userdata, const char *stage)
{
        struct kernel_work *w = userdata;

        if (w->tells_stages)
                kernel_work_stage(w, stage);
}

static void on_downloaded(void *userdata, struct kernel_downloaded *downloaded, const struct kt_error *err)
{
        struct kernel_work *w = userdata;

        w->download = NULL;
        w->call->on_cancel = NULL;
        if (err) {
                kernel_work_fail(w, err);
                return;
        }
        w->downloaded[w->next_url++] = *downloaded;
        download_next(w);
}

static void download_next(struct kernel_work *w)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kernel_download_params params = {.config = w->call->server->config,
                                                .root = kcache_root(w->kcache),
                                                .uid = w->caller.uid,
                                                .gid = w->caller.gid};

        while (w->next_url < w->n_files && !w->urls[w->next_url])
                w->next_url++;
        if (w->next_url == w->n_files) {
                kernel_work_start(w);
                return;
        }
        params.url = w->urls[w->next_url];
        if (kernel_download_start(&w->call->server->loop, &params, on_stage, on_downloaded, w, &w->download,
                                  &err) < 0) {
                kernel_work_fail(w, &err);
                return;
        }
        w->call->userdata = w;
        w->call->on_cancel = on_cancel;
}

/* --- the call --- */

static int take_source(struct kernel_work *w, size_t i, struct json_object *o, struct kt_error *reterr)
{
        const char *path = kt_json_str(o, "path"), *url = kt_json_str(o, "url");
        const bool has_fd = kt_json_get(o, "file_fd") != NULL;
        struct kernel_file *f = &w->files[i];

        if ((path != NULL) + (url != NULL) + has_fd != 1 || (path && path[0] != '/'))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files",
                                          "a file needs one of an absolute path, file_fd and a url");
        if (url && kernel_download_check(url, reterr) < 0)
                return -EINVAL;
        f->path = path ? strdup(path) : NULL;
        w->urls[i] = url ? strdup(url) : NULL;
        if ((path && !f->path) || (url && !w->urls[i]))
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return has_fd ? call_take_fd(w->call, kt_json_int(o, "file_fd", -1), "files.file_fd", &f->fd, reterr)
                      : 0;
}

static int take_file(struct kernel_work *w, size_t i, struct json_object *o, struct kt_error *reterr)
{
        struct kernel_file *f = &w->files[i];

        f->fd = -1;
        f->name = strdup(kt_json_str(o, "name"));
        return f->name ? take_source(w, i, o, reterr)
                       : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

void method_kernel_import(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *files = kt_json_get(call->parameters, "files");
        size_t n = json_object_array_length(files);
        struct kernel_work *w = kernel_work_new(call, do_import, reply_import);

        if (!w)
                return;
        w->files = n >= 1 && n <= KERNEL_FILES_MAX ? calloc(n, sizeof(*w->files)) : NULL;
        int r = w->files ? 0
                         : kt_error_set_field(&err, -EINVAL, KT_E_INVALID_PARAMETER, "files",
                                              "one kernel comes in one to three files, not %zu", n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                w->n_files = i + 1;
                r = take_file(w, i, json_object_array_get_idx(files, i), &err);
        }
        if (r >= 0 && call->more && kernel_work_tell_stages(w) < 0)
                r = kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r < 0)
                kernel_work_fail(w, &err);
        else
                download_next(w);
}
