/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Kernel: the cache's calls block, so each runs on a worker thread. The work owns the call until
 * its final reply. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../common/list.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "kcache.h"
#include "server.h"
#include "worker.h"

/* Told on the worker thread, sent on the loop. */
struct stages {
        uv_mutex_t lock;
        struct kt_list list; /* of struct stage; under the lock */
        uv_async_t wake;
};

struct stage {
        struct kt_list link;
        char text[];
};

struct kernel_work {
        struct call *call;
        struct kcache *kcache;
        struct kernel_caller caller;
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

        bool tells_stages; /* then stages is alive from the start to its close callback */
        struct stages stages;
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

/* --- stages --- */

/* On the worker thread. A stage that memory is too short for is not told: nothing depends on it. */
static void on_stage(void *userdata, const char *text)
{
        struct kernel_work *w = userdata;
        struct stage *s = malloc(sizeof(*s) + strlen(text) + 1);

        if (!s)
                return;
        kt_list_init(&s->link);
        strcpy(s->text, text);
        uv_mutex_lock(&w->stages.lock);
        kt_list_append(&w->stages.list, &s->link);
        uv_mutex_unlock(&w->stages.lock);
        uv_async_send(&w->stages.wake);
}

static struct stage *next_stage(struct stages *stages)
{
        struct stage *s = NULL;

        uv_mutex_lock(&stages->lock);
        if (!kt_list_empty(&stages->list)) {
                s = kt_list_entry(stages->list.next, struct stage, link);
                kt_list_remove(&s->link);
        }
        uv_mutex_unlock(&stages->lock);
        return s;
}

/* On the loop, until the final reply. That the client may have gone is no matter: then the call drops it. */
static void send_stages(struct kernel_work *w)
{
        struct stage *s;

        while ((s = next_stage(&w->stages))) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "stage", s->text);
                free(s);
                call_send(w->call, o);
        }
}

static void on_wake(uv_async_t *wake)
{
        struct kernel_work *w = wake->data;

        if (!uv_is_closing((uv_handle_t *)wake))
                send_stages(w);
}

static int stages_start(struct kernel_work *w)
{
        int r = uv_mutex_init(&w->stages.lock);

        if (r < 0)
                return r;
        kt_list_init(&w->stages.list);
        w->stages.wake.data = w;
        r = uv_async_init(&w->call->server->loop, &w->stages.wake, on_wake);
        if (r < 0)
                uv_mutex_destroy(&w->stages.lock);
        else
                w->tells_stages = true;
        return r;
}

/* --- the work --- */

static void on_work(void *data)
{
        struct kernel_work *w = data;

        w->work(w);
}

static void on_stages_closed(uv_handle_t *handle)
{
        struct kernel_work *w = handle->data;

        uv_mutex_destroy(&w->stages.lock);
        work_free(w);
}

static void work_end(struct kernel_work *w)
{
        if (w->tells_stages)
                uv_close((uv_handle_t *)&w->stages.wake, on_stages_closed);
        else
                work_free(w);
}

static void on_done(void *data, int status)
{
        struct kernel_work *w = data;

        /* The wake-up for the last ones may still be under way. */
        if (w->tells_stages)
                send_stages(w);
        if (w->result < 0)
                call_fail(w->call, &w->error);
        else
                call_reply(w->call, w->reply(w));
        work_end(w);
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
        w->caller = (struct kernel_caller){call->uid, call->gid};
        w->work = work;
        w->reply = reply;
        return w;
}

static void work_start(struct kernel_work *w)
{
        if (worker_run(&w->call->server->loop, on_work, on_done, w) < 0) {
                call_fail_text(w->call, KT_E_INTERNAL, "out of memory");
                work_end(w);
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
        const char *spec = kt_json_str(call->parameters, key);
        struct kernel_work *w = work_new(call, work, reply);

        if (!w)
                return;
        w->spec = spec ? strdup(spec) : NULL;
        if (spec && !w->spec) {
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
                work_free(w);
        } else
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
                                     .on_stage = w->tells_stages ? on_stage : NULL,
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
        if (r >= 0 && call->more && stages_start(w) < 0)
                r = kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r < 0) {
                call_fail(call, &err);
                work_free(w);
        } else
                work_start(w);
}

const struct method methods_kernel[] = {
        {"io.ktstrd.Kernel.Import", import},
        {"io.ktstrd.Kernel.List", list, .while_draining = true},
        {"io.ktstrd.Kernel.Info", info, .while_draining = true},
        {"io.ktstrd.Kernel.Remove", remove_},
        {"io.ktstrd.Kernel.Resolve", resolve, .while_draining = true},
        {},
};
