/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "pool_internal.h"
#include "worker.h"

/* One goes through a job that does nothing, so that the next job's way is translated and in memory. */
#define REHEARSALS 1U

static void pool_guest_free(struct pool_guest *pg)
{
        kt_list_remove(&pg->link);
        free(pg);
}

/* --- what it takes of the host's memory --- */

/* Plain data for the worker. The guest stays until it is done. */
struct measure {
        struct pool_guest *pg;
        struct pool *pool;
        pid_t pid;
        uint64_t pss_bytes;
};

static void measure_work(void *data)
{
        struct measure *m = data;
        _cleanup_free_ char *text = NULL;
        const char *line;
        char path[48];
        size_t size;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)m->pid);
        if (kt_read_file(AT_FDCWD, path, 65536, &text, &size) < 0)
                return;
        line = strstr(text, "\nPss:");
        m->pss_bytes = line ? strtoull(line + strlen("\nPss:"), NULL, 10) * 1024 : 0;
}

static void measure_done(void *data, int status)
{
        struct measure *m = data;
        struct pool_guest *pg = m->pg;
        struct pool *p = m->pool;

        pg->measuring = false;
        if (m->pss_bytes > 0) {
                pg->pss_bytes = m->pss_bytes;
                if (pg->guest && !pg->leaving)
                        pg->of->each_bytes = m->pss_bytes;
        }
        if (!pg->guest)
                pool_guest_free(pg);
        free(m);
        p->work--;
        pool_changed(p);
}

static void measure(struct pool_guest *pg)
{
        struct pool *p = pg->of->pool;
        struct measure *m = calloc(1, sizeof(*m));

        if (!m)
                return;
        *m = (struct measure){.pg = pg, .pool = p, .pid = guest_pid(pg->guest)};
        if (worker_run(p->params.loop, measure_work, measure_done, m) < 0) {
                free(m);
                return;
        }
        pg->measuring = true;
        p->work++;
}

/* --- its life --- */

static void release(struct pool_guest *pg)
{
        pg->guest = NULL;
        if (pg->measuring)
                kt_list_remove(&pg->link), kt_list_init(&pg->link);
        else
                pool_guest_free(pg);
}

static void on_paused(void *userdata)
{
        struct pool_guest *pg = userdata;

        guest_park(pg->guest, REHEARSALS);
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
        measure(pg);
        pool_changed(ps->pool);
}

static void on_frame(void *userdata, const struct kt_frame *frame)
{
}

static void on_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        struct pool_guest *pg = userdata;
        struct pool_shape *ps = pg->of;
        struct pool *p = ps->pool;

        if (!pg->leaving) {
                metrics_guest_failed(p->params.metrics, end);
                if (!pg->parked)
                        pool_clone_failed(p, ps->shape, err);
                else
                        pool_shape_failed(ps, "a guest that waited for a job", err);
        }
        release(pg);
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
        struct pool_guest *pg = calloc(1, sizeof(*pg));
        char id[32];
        int r;

        if (!pg)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        pg->of = ps;
        pg->start_ns = uv_hrtime();
        snprintf(id, sizeof(id), "pool-%llu", (unsigned long long)++p->next_id);
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

void pool_guest_taken(struct pool_guest *pg)
{
        release(pg);
}
