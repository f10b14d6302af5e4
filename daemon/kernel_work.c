/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_work.h"

#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "server.h"
#include "worker.h"

struct stage {
        struct kt_list link;
        char text[];
};

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

static void work_free(struct kernel_work *w)
{
        kernel_free(w->kernel);
        kernel_list_free(w->list);
        kernel_set_done(&w->set);
        kernel_spec_done(&w->range);
        free_strings(w->versions);
        free_strings(w->specs);
        free(w->sizes);
        release_list_free(w->releases);
        kcache_keys_free(w->only);
        kcache_keys_free(w->removed);
        kcache_keys_free(w->in_use);
        for (size_t i = 0; i < w->n_files; i++) {
                free((char *)w->files[i].name);
                free((char *)w->files[i].path);
                kt_closep(&w->files[i].fd);
        }
        free(w->files);
        for (size_t i = 0; i < KERNEL_FILES_MAX; i++) {
                free(w->urls[i]);
                kernel_downloaded_done(&w->downloaded[i]);
        }
        free(w->spec);
        free(w->other);
        kernel_inside_done(&w->inside[0]);
        kernel_inside_done(&w->inside[1]);
        kernel_diff_free(w->diff);
        kt_error_done(&w->error);
        free(w);
}

/* --- stages --- */

/* On the worker thread. A stage that memory is too short for is not told: nothing depends on it. */
void kernel_work_stage(void *userdata, const char *text)
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

int kernel_work_tell_stages(struct kernel_work *w)
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
        if (w->result >= 0 && w->then)
                w->then(w);
        else
                kernel_work_finish(w);
}

void kernel_work_finish(struct kernel_work *w)
{
        if (w->result < 0)
                call_fail(w->call, &w->error);
        else
                call_reply(w->call, w->reply(w));
        work_end(w);
}

struct kernel_work *kernel_work_new(struct call *call, void (*work)(struct kernel_work *),
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
        for (size_t i = 0; i < KERNEL_FILES_MAX; i++)
                w->downloaded[i] = KERNEL_DOWNLOADED_INIT;
        return w;
}

void kernel_work_start(struct kernel_work *w)
{
        if (worker_run(&w->call->server->loop, on_work, on_done, w) < 0) {
                call_fail_text(w->call, KT_E_INTERNAL, "out of memory");
                work_end(w);
        }
}

void kernel_work_fail(struct kernel_work *w, const struct kt_error *err)
{
        if (w->tells_stages)
                send_stages(w);
        call_fail(w->call, err);
        work_end(w);
}
