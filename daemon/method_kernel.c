/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Kernel: the cache's calls block, so each runs on a worker thread. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "caller_rights.h"
#include "dispatch.h"
#include "kcache.h"
#include "server.h"
#include "worker.h"

struct kernel_work {
        struct call *call;
        struct kcache *kcache;
        uid_t uid;
        gid_t gid;
        void (*work)(struct kernel_work *w);
        struct json_object *(*reply)(struct kernel_work *w);

        char *spec; /* key or kernel spec, or NULL */
        struct kernel_file *files;
        size_t n_files;

        struct kernel *kernel;
        struct kernel **list;
        bool existed;
        int result;
        struct kt_error error;
};

static void add_strings(struct json_object *o, const char *key, char *const *strings)
{
        struct json_object *a = json_object_new_array();

        for (; strings && *strings; strings++)
                json_object_array_add(a, json_object_new_string(*strings));
        kt_json_add(o, key, a);
}

static struct json_object *kernel_json(const struct kernel *k)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "key", k->key);
        kt_json_add_str(o, "path", k->path);
        kt_json_add_str(o, "error", k->error);
        kt_json_add_str(o, "error_kind", k->error_kind);
        if (k->error)
                return o;
        kt_json_add_str(o, "release", k->release);
        kt_json_add_str(o, "version", k->version);
        kt_json_add_str(o, "source", k->source);
        kt_json_add_str(o, "arch", k->arch);
        kt_json_add_str(o, "built_at", k->built_at);
        kt_json_add_str(o, "image_path", k->image_path);
        kt_json_add_int(o, "image_size", (int64_t)k->image_size);
        kt_json_add_str(o, "image_sha256", k->image_sha256);
        kt_json_add_bool(o, "has_btf", k->has_btf);
        kt_json_add_bool(o, "has_config", k->has_config);
        kt_json_add_bool(o, "sched_ext", k->sched_ext);
        add_strings(o, "modules", k->modules);
        add_strings(o, "imported_from", k->imported_from);
        return o;
}

static void work_free(struct kernel_work *w)
{
        kernel_free(w->kernel);
        kernel_list_free(w->list);
        for (size_t i = 0; i < w->n_files; i++) {
                free((char *)w->files[i].name);
                free((char *)w->files[i].path);
                kt_closep(&w->files[i].fd);
        }
        free(w->files);
        free(w->spec);
        kt_error_done(&w->error);
        free(w);
}

static void on_work(void *data)
{
        struct kernel_work *w = data;

        w->work(w);
}

static void on_done(void *data, int status)
{
        struct kernel_work *w = data;

        if (w->result < 0)
                call_fail(w->call, &w->error);
        else
                call_reply(w->call, w->reply(w));
        work_free(w);
}

static struct kernel_work *work_new(struct call *call, void (*work)(struct kernel_work *),
                                    struct json_object *(*reply)(struct kernel_work *))
{
        struct kernel_work *w = calloc(1, sizeof(*w));

        if (!w) {
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
                return NULL;
        }
        w->call = call;
        w->kcache = call->server->kcache;
        w->uid = call->uid;
        w->gid = call->gid;
        w->work = work;
        w->reply = reply;
        return w;
}

static void work_start(struct kernel_work *w)
{
        if (worker_run(&w->call->server->loop, on_work, on_done, w) < 0) {
                call_fail_text(w->call, KT_E_INTERNAL, "out of memory");
                work_free(w);
        }
}

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
        struct kernel_work *w = work_new(call, do_list, reply_list);

        if (w)
                work_start(w);
}

/* --- Info, Resolve, Remove --- */

static struct json_object *reply_entry(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "entry", kernel_json(w->kernel));
        return o;
}

static void do_info(struct kernel_work *w)
{
        w->result = kcache_get(w->kcache, w->spec, &w->kernel, &w->error);
}

static void do_resolve(struct kernel_work *w)
{
        struct caller_rights rights = {.n_groups = -1};
        bool by_path = w->spec && w->spec[0] == '/';

        w->result = by_path ? caller_rights_take(w->uid, w->gid, &rights, &w->error) : 0;
        if (w->result < 0)
                return;
        w->result = kernel_resolve(w->kcache, w->spec, false, &w->kernel, &w->error);
        caller_rights_drop(&rights);
}

static void do_remove(struct kernel_work *w)
{
        w->result = kcache_remove(w->kcache, w->spec, &w->error);
}

static struct json_object *reply_nothing(struct kernel_work *w)
{
        return json_object_new_object();
}

static void start_with_spec(struct call *call, const char *key, void (*work)(struct kernel_work *),
                            struct json_object *(*reply)(struct kernel_work *))
{
        const char *spec = kt_json_str(call->parameters, key);
        struct kernel_work *w = work_new(call, work, reply);

        if (!w)
                return;
        w->spec = spec ? strdup(spec) : NULL;
        work_start(w);
}

static void info(struct call *call)
{
        start_with_spec(call, "key", do_info, reply_entry);
}

static void resolve(struct call *call)
{
        start_with_spec(call, "kernel", do_resolve, reply_entry);
}

static void remove_(struct call *call)
{
        start_with_spec(call, "key", do_remove, reply_nothing);
}

/* --- Import --- */

static int open_paths(struct kernel_work *w)
{
        struct caller_rights rights;
        int r = caller_rights_take(w->uid, w->gid, &rights, &w->error);

        for (size_t i = 0; r >= 0 && i < w->n_files; i++) {
                struct kernel_file *f = &w->files[i];

                if (f->fd >= 0)
                        continue;
                f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                if (f->fd < 0)
                        r = kt_error_set(&w->error, -errno, KT_E_BAD_KERNEL, "cannot open %s: %s", f->path,
                                         strerror(errno));
        }
        if (r >= 0)
                caller_rights_drop(&rights);
        return r;
}

static void do_import(struct kernel_work *w)
{
        bool paths = false;

        for (size_t i = 0; i < w->n_files; i++)
                paths |= w->files[i].fd < 0;
        w->result = paths ? open_paths(w) : 0;
        if (w->result >= 0)
                w->result = kernel_import(w->kcache, w->files, w->n_files, NULL, NULL, &w->kernel, &w->existed,
                                          &w->error);
}

static struct json_object *reply_import(struct kernel_work *w)
{
        struct json_object *o = reply_entry(w);

        kt_json_add_bool(o, "existed", w->existed);
        return o;
}

static int take_file(struct call *call, struct json_object *o, struct kernel_file *ret, struct kt_error *reterr)
{
        const char *path = kt_json_str(o, "path");
        bool has_fd = kt_json_get(o, "file_fd") != NULL;

        ret->fd = -1;
        ret->name = strdup(kt_json_str(o, "name"));
        if ((path != NULL) == has_fd || (path && path[0] != '/'))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files",
                                          "a file needs either an absolute path or file_fd");
        ret->path = path ? strdup(path) : NULL;
        return has_fd ? call_take_fd(call, kt_json_int(o, "file_fd", -1), "files.file_fd", &ret->fd, reterr) : 0;
}

static void import(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *files = kt_json_get(call->parameters, "files");
        size_t n = json_object_array_length(files);
        struct kernel_work *w = work_new(call, do_import, reply_import);

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
        if (r < 0) {
                call_fail(call, &err);
                work_free(w);
        } else
                work_start(w);
}

const struct method methods_kernel[] = {
        {"io.ktstrd.Kernel.Import", import}, {"io.ktstrd.Kernel.List", list, .while_draining = true},
        {"io.ktstrd.Kernel.Info", info, .while_draining = true},
        {"io.ktstrd.Kernel.Remove", remove_}, {"io.ktstrd.Kernel.Resolve", resolve, .while_draining = true},
        {},
};
