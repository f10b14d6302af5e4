/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

struct worker {
        uv_work_t request;
        void (*work)(void *data);
        void (*done)(void *data, int status);
        void *data;
};

static void on_work(uv_work_t *request)
{
        struct worker *w = request->data;

        w->work(w->data);
}

static void on_done(uv_work_t *request, int status)
{
        struct worker *w = request->data;

        w->done(w->data, status);
        free(w);
}

int worker_run(uv_loop_t *loop, void (*work)(void *data), void (*done)(void *data, int status), void *data)
{
        struct worker *w = malloc(sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (struct worker){.work = work, .done = done, .data = data};
        w->request.data = w;
        r = uv_queue_work(loop, &w->request, on_work, on_done);
        if (r < 0)
                free(w);
        return r;
}
