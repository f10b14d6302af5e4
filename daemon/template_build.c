/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "template_build.h"

#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "kernel_boot.h"
#include "worker.h"

/* So that the guest's page cache and its allocators have what a job needs; clones inherit it. */
#define REHEARSALS 3U

/* What each step may touch: the loop between two steps, the worker (work and publish) while one runs. */
struct template_build {
        uv_loop_t *loop;
        struct template_build_params params;
        struct shape *shape;
        char *id;
        template_built_cb on_done;
        void *userdata;

        int lease_fd;
        struct template_draft *draft;
        struct guest *guest;
        bool stopped, saved;
        uint64_t start_ms;
        char *mailbox_error;
        struct template_facts facts;
        const struct template *template;
        int r;
        struct kt_error err;
};

static void clear_work(void *data)
{
        struct template_build *b = data;

        template_draft_free(TAKE_PTR(b->draft));
}

static void finish(struct template_build *b);

static void clear_done(void *data, int status)
{
        finish(data);
}

static void finish(struct template_build *b)
{
        const bool failed = !b->template && !b->stopped;

        /* What there is of it may be gigabytes. */
        if (b->draft && worker_run(b->loop, clear_work, clear_done, b) >= 0)
                return;
        template_draft_free(b->draft);
        kt_closep(&b->lease_fd);
        b->on_done(b->userdata, b->template, failed ? &b->err : NULL);
        kt_error_done(&b->err);
        shape_unref(b->shape);
        free(b->mailbox_error);
        free(b->id);
        free(b);
}

/* --- the end: publishing --- */

static void publish_work(void *data)
{
        struct template_build *b = data;

        b->r = template_store_publish(b->params.store, b->draft, b->shape, &b->facts, &b->template, &b->err);
        template_draft_free(TAKE_PTR(b->draft));
}

static void publish_done(void *data, int status)
{
        finish(data);
}

static void publish(struct template_build *b)
{
        int r;

        b->facts.mailbox_error = b->mailbox_error;
        b->facts.build_ms = (int64_t)(uv_now(b->loop) - b->start_ms);
        r = worker_run(b->loop, publish_work, publish_done, b);
        if (r < 0) {
                kt_error_set(&b->err, r, KT_E_INTERNAL, "cannot start work: %s", strerror(-r));
                finish(b);
        }
}

/* --- the middle: its guest --- */

static void on_paused(void *userdata)
{
        struct template_build *b = userdata;

        guest_park(b->guest, REHEARSALS);
}

static void on_parked(void *userdata)
{
        struct template_build *b = userdata;
        const char *mailbox_error = guest_mailbox_error(b->guest);

        b->facts.boot_ms = (int64_t)(guest_boot_us(b->guest) / 1000);
        kernel_boot_note(b->loop, kcache_root(b->params.kcache), b->shape->kernel,
                         accel_name(b->shape->accel), topology_cpus(&b->shape->topology), b->facts.boot_ms);
        b->mailbox_error = mailbox_error ? strdup(mailbox_error) : NULL;
        guest_save(b->guest, b->draft->state_path);
}

static void on_saved(void *userdata)
{
        struct template_build *b = userdata;

        b->saved = true;
        guest_stop(b->guest);
}

static void on_frame(void *userdata, const struct kt_frame *frame)
{
}

/* Only now does nobody write its memory any more. */
static void on_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        struct template_build *b = userdata;

        b->guest = NULL;
        if (b->saved && !b->stopped) {
                publish(b);
                return;
        }
        if (err)
                kt_error_set(&b->err, err->num, err->name, "%s", kt_error_text(err));
        finish(b);
}

static const struct guest_ops guest_ops = {
        .on_paused = on_paused,
        .on_parked = on_parked,
        .on_saved = on_saved,
        .on_frame = on_frame,
        .on_gone = on_gone,
};

static void start_guest(struct template_build *b)
{
        const struct guest_params params = {
                .shape = b->shape,
                .origin = {.memory_fds = b->draft->memory_fds, .state_fd = -1},
                .qemu_path = b->params.qemu_path,
                .exec_helper = b->params.exec_helper,
                .run_dir = b->params.run_dir,
                .id = b->id,
                .background = b->params.background,
        };

        if (guest_start(b->loop, &params, &guest_ops, b, &b->guest, &b->err) < 0)
                finish(b);
}

/* --- the beginning: its files --- */

static void prepare_work(void *data)
{
        struct template_build *b = data;

        b->r = kcache_use(b->params.kcache, b->shape->kernel->key, b->shape->kernel->image_sha256, NULL,
                          &b->lease_fd, &b->err);
        if (b->r >= 0)
                b->r = template_draft_new(template_store_root(b->params.store), b->shape, &b->draft,
                                          &b->err);
}

static void prepare_done(void *data, int status)
{
        struct template_build *b = data;

        if (b->stopped || b->r < 0)
                finish(b);
        else
                start_guest(b);
}

int template_build_start(uv_loop_t *loop, const struct template_build_params *params,
                         template_built_cb on_done, void *userdata, struct template_build **ret,
                         struct kt_error *reterr)
{
        struct template_build *b = calloc(1, sizeof(*b));
        int r = -ENOMEM;

        if (b) {
                *b = (struct template_build){
                        .loop = loop,
                        .params = *params,
                        .shape = shape_ref(params->shape),
                        .id = strdup(params->id),
                        .on_done = on_done,
                        .userdata = userdata,
                        .lease_fd = -1,
                        .start_ms = uv_now(loop),
                };
                r = b->id ? worker_run(loop, prepare_work, prepare_done, b) : -ENOMEM;
        }
        if (r < 0) {
                if (b)
                        shape_unref(b->shape), free(b->id);
                free(b);
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot start to make a template: %s",
                                    strerror(-r));
        }
        *ret = b;
        return 0;
}

void template_build_stop(struct template_build *b)
{
        b->stopped = true;
        if (b->guest)
                guest_stop(b->guest);
}
