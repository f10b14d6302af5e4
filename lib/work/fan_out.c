/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One messenger that wakes several receivers, which time it: FutexFanOut, FanOutCompute. A unit is a spin
 * iteration, of FanOutCompute's receivers a multiplication of two numbers and of its messenger a round. */

#include "limits.h"
#include "matrix.h"
#include "round.h"
#include "types.h"

static unsigned team_size(const struct ktstr_work *work)
{
        return (unsigned)work->p[0] + 1;
}

static const char *role(unsigned team_index)
{
        return team_index == 0 ? "messenger" : "receiver";
}

static size_t shared_size(const struct ktstr_work *work)
{
        return sizeof(struct round);
}

static void futex_fan_out(struct ktstr_worker *w)
{
        struct round *r = w->team->shared;
        const uint64_t spin = w->work->p[1];
        uint32_t seen = 0;

        for (;;) {
                if (w->team_index != 0)
                        round_await(w, r, &seen);
                worker_spin(spin);
                worker_progress(w, spin);
                if (w->team_index != 0) {
                        round_done(r);
                } else {
                        round_release(w, r);
                        round_collect(w, r);
                }
        }
}

static void compute_messenger(struct ktstr_worker *w, struct round *r)
{
        for (;;) {
                round_release(w, r);
                round_collect(w, r);
                worker_progress(w, 1);
        }
}

static void fan_out_compute(struct ktstr_worker *w)
{
        struct round *r = w->team->shared;
        const uint64_t operations = w->work->p[2], sleep_ns = w->work->p[3] * 1000;
        struct matrix m;
        uint32_t seen = 0;

        if (w->team_index == 0)
                compute_messenger(w, r);
        m = matrix_new(w, w->work->p[1]);
        for (;;) {
                round_await(w, r, &seen);
                /* As if for the network. */
                worker_sleep_until(w, worker_now_ns() + sleep_ns);
                for (uint64_t i = 0; i < operations; i++)
                        matrix_multiply(w, &m);
                round_done(r);
        }
}

const struct work_type work_type_FUTEX_FAN_OUT = {
        .name = "FutexFanOut",
        .params = {{"fan_out", 4, WORK_TEAM_MAX}, {"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = team_size,
        .role = role,
        .shared_size = shared_size,
        .run = futex_fan_out,
};
const struct work_type work_type_FAN_OUT_COMPUTE = {
        .name = "FanOutCompute",
        .params = {{"fan_out", 4, WORK_TEAM_MAX},
                   {"cache_kib", 256, WORK_KIB_MAX},
                   {"operations", 5, WORK_OPERATIONS_MAX},
                   {"sleep_us", 100, WORK_PERIOD_US_MAX}},
        .team_size = team_size,
        .role = role,
        .shared_size = shared_size,
        .run = fan_out_compute,
};
