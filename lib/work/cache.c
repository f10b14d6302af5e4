/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What goes through a buffer by strides and changes it: CachePressure, CacheYield, CachePipe. A unit is a
 * change of one place. */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "exchange.h"
#include "limits.h"
#include "types.h"

#define PLACES_A_CHUNK 1024U
#define CACHE_PIPE_STRIDE 64U

struct walk {
        volatile uint8_t *bytes;
        size_t size, stride, at;
};

static struct walk walk_new(struct ktstr_worker *w, uint64_t kib, size_t stride)
{
        struct walk walk = {.size = kib * 1024, .stride = stride};
        void *bytes = mmap(NULL, walk.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (bytes == MAP_FAILED)
                worker_die(w, "cannot have %llu KiB of memory: %s", (unsigned long long)kib,
                           strerror(errno));
        walk.bytes = bytes;
        return walk;
}

/* The next n places; behind the last one comes the first. */
static void walk_on(struct walk *walk, uint64_t n)
{
        for (uint64_t i = 0; i < n; i++) {
                walk->bytes[walk->at]++;
                walk->at += walk->stride;
                if (walk->at >= walk->size)
                        walk->at = 0;
        }
}

/* Once through the buffer, but no more than is good between two progress points. */
static uint64_t places(const struct walk *walk)
{
        uint64_t n = (walk->size + walk->stride - 1) / walk->stride;

        return n < PLACES_A_CHUNK ? n : PLACES_A_CHUNK;
}

static int validate_stride(const struct ktstr_work *work, const struct ktstr_topo *topo,
                           struct kt_error *reterr)
{
        if (work->p[1] <= work->p[0] * 1024)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL, "stride_bytes is %llu, and the buffer has only %llu",
                            (unsigned long long)work->p[1], (unsigned long long)work->p[0] * 1024);
}

static void cache_pressure(struct ktstr_worker *w)
{
        struct walk walk = walk_new(w, w->work->p[0], w->work->p[1]);
        const uint64_t n = places(&walk);

        for (;;) {
                walk_on(&walk, n);
                worker_progress(w, n);
        }
}

static void cache_yield(struct ktstr_worker *w)
{
        struct walk walk = walk_new(w, w->work->p[0], w->work->p[1]);
        const uint64_t n = places(&walk);

        for (;;) {
                walk_on(&walk, n);
                worker_progress(w, n);
                sched_yield();
        }
}

static void cache_pipe(struct ktstr_worker *w)
{
        struct walk walk = walk_new(w, w->work->p[0], CACHE_PIPE_STRIDE);
        const uint64_t n = w->work->p[1];

        exchange_begin(w);
        for (;;) {
                walk_on(&walk, n);
                exchange(w);
                worker_progress(w, n);
        }
}

#define CACHE_PARAMS                                                                                        \
        {                                                                                                   \
                {"size_kib", 32, WORK_KIB_MAX},                                                             \
                {                                                                                           \
                        "stride_bytes", 64, WORK_KIB_MAX * 1024                                             \
                }                                                                                           \
        }

const struct work_type work_type_CACHE_PRESSURE = {
        .name = "CachePressure", .params = CACHE_PARAMS, .validate = validate_stride, .run = cache_pressure};
const struct work_type work_type_CACHE_YIELD = {
        .name = "CacheYield", .params = CACHE_PARAMS, .validate = validate_stride, .run = cache_yield};
const struct work_type work_type_CACHE_PIPE = {
        .name = "CachePipe",
        .params = {{"size_kib", 32, WORK_KIB_MAX}, {"burst_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = exchange_team_size,
        .open_fds = exchange_open_fds,
        .run = cache_pipe,
};
