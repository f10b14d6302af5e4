/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "pool_internal.h"

/* Whose death after that has nothing to do with that of the one before it. */
#define IDLE_LASTS_MS (10U * 60 * 1000)

void pool_guest_release(struct pool_guest *pg)
{
        kt_list_remove(&pg->link);
        free(pg);
}

static void on_paused(void *userdata)
{
        struct pool_guest *pg = userdata;

        guest_park(pg->guest, pg->of->pool->params.rehearsals);
}

static void on_parked(void *userdata)
{
        struct pool_guest *pg = userdata;
        struct pool_shape *ps = pg->of;

        pg->parked = true;
        pg->parked_ms = pool_now(ps->pool);
        ps->failures = ps->clone_failures = 0;
        free(ps->reason);
        ps->reason = NULL;
        metrics_boot(ps->pool->params.metrics, METRICS_CLONE, (double)(uv_hrtime() - pg->start_ns) / 1e9);
        guest_freeze(pg->guest);
        /* The others share with it: their sizes have changed too. */
        (void)pool_measure(ps->pool, NULL, NULL);
        pool_changed(ps->pool);
}

static void on_frame(void *userdata, const struct kt_frame *frame)
{
}

/* That one was parked ends the failures in a row. When they die all the same, one after the other, each is
 * replaced later than the one before it. */
static void died_idle(struct pool_guest *pg, const struct kt_error *err)
{
        struct pool_shape *ps = pg->of;

        if (pool_now(ps->pool) - pg->parked_ms > IDLE_LASTS_MS)
                ps->idle_deaths = 0;
        if (ps->failures < ps->idle_deaths)
                ps->failures = ps->idle_deaths;
        ps->idle_deaths++;
        pool_shape_failed(ps, "a guest that waited for a job", err);
}

static void on_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        struct pool_guest *pg = userdata;
        struct pool_shape *ps = pg->of;
        struct pool *p = ps->pool;

        if (!pg->leaving) {
                metrics_guest_failed(p->params.metrics, end);
                if (!pg->parked)
                        pool_shape_clone_failed(ps, err);
                else
                        died_idle(pg, err);
        }
        pool_guest_release(pg);
        pool_changed(p);
}

static const struct guest_ops guest_ops = {
        .on_paused = on_paused,
        .on_parked = on_parked,
        .on_frame = on_frame,
        .on_gone = on_gone,
};

int pool_guest_start(struct pool_shape *ps, struct kt_error *reterr)
{
        struct pool *p = ps->pool;
        struct pool_guest *pg;
        char id[32];
        int r;

        if (!template_is_intact(ps->template)) {
                pool_shape_forget_template(ps);
                return kt_error_set(reterr, -EBADMSG, KT_E_IO, "its template has changed on disk");
        }
        pg = calloc(1, sizeof(*pg));
        if (!pg)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        pg->of = ps;
        pg->start_ns = uv_hrtime();
        pg->id = ++p->next_id;
        snprintf(id, sizeof(id), "pool-%llu", (unsigned long long)pg->id);
        const struct guest_params params = {
                .shape = ps->shape,
                .origin = {.memory_fds = ps->template->memory_fds,
                           .state_fd = ps->template->state_fd,
                           .mailbox_error = ps->template->mailbox_error},
                .qemu_path = p->params.qemu_path,
                .exec_helper = p->params.exec_helper,
                .run_dir = p->params.run_dir,
                .id = id,
        };
        r = guest_start(p->params.loop, &params, &guest_ops, pg, &pg->guest, reterr);
        if (r < 0) {
                free(pg);
                return r;
        }
        kt_list_append(&ps->guests, &pg->link);
        return 0;
}

void pool_guest_stop(struct pool_guest *pg)
{
        if (pg->leaving)
                return;
        pg->leaving = true;
        guest_stop(pg->guest);
}
