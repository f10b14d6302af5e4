/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "pool_internal.h"
#include "worker.h"

/* Plain data for the worker; by number, since a guest may be gone before it is known what it took. */
struct one {
        uint64_t id, pss_bytes;
        pid_t pid;
};

struct measure {
        struct pool *pool;
        void (*done)(void *userdata);
        void *userdata;
        size_t n;
        struct one of[];
};

/* Proportional set size: what several processes share is counted once in all. */
static uint64_t pss_of(pid_t pid)
{
        _cleanup_free_ char *text = NULL;
        const char *line;
        char path[48];
        size_t size;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
        if (kt_read_file(AT_FDCWD, path, 65536, &text, &size) < 0)
                return 0;
        line = strstr(text, "\nPss:");
        return line ? strtoull(line + strlen("\nPss:"), NULL, 10) * 1024 : 0;
}

static void measure_work(void *data)
{
        struct measure *m = data;

        for (size_t i = 0; i < m->n; i++)
                m->of[i].pss_bytes = pss_of(m->of[i].pid);
}

static void note(struct pool_shape *ps, const struct one *one)
{
        kt_list_for_each (it, &ps->guests) {
                struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);

                if (pg->id == one->id && one->pss_bytes > 0)
                        pg->pss_bytes = ps->each_bytes = one->pss_bytes;
        }
}

static void measure_done(void *data, int status)
{
        struct measure *m = data;
        struct pool *p = m->pool;

        for (size_t i = 0; i < m->n; i++)
                kt_list_for_each (it, &p->shapes)
                        note(kt_list_entry(it, struct pool_shape, link), &m->of[i]);
        if (m->done)
                m->done(m->userdata);
        free(m);
        p->work--;
        pool_changed(p);
}

static size_t collect(const struct pool *p, struct measure *m)
{
        size_t n = 0;

        kt_list_for_each (it, &p->shapes) {
                const struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                kt_list_for_each (jt, &ps->guests) {
                        const struct pool_guest *pg = kt_list_entry(jt, struct pool_guest, link);

                        if (!pg->parked || pg->leaving)
                                continue;
                        if (m)
                                m->of[n] = (struct one){.id = pg->id, .pid = guest_pid(pg->guest)};
                        n++;
                }
        }
        return n;
}

int pool_measure(struct pool *p, void (*done)(void *userdata), void *userdata)
{
        const size_t n = collect(p, NULL);
        struct measure *m = calloc(1, sizeof(*m) + n * sizeof(m->of[0]));
        int r;

        if (!m)
                return -ENOMEM;
        *m = (struct measure){.pool = p, .done = done, .userdata = userdata};
        m->n = collect(p, m);
        r = worker_run(p->params.loop, measure_work, measure_done, m);
        if (r < 0)
                free(m);
        else
                p->work++;
        return r;
}
