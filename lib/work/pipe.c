/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PipeIo. A unit is a spin iteration. */

#include "exchange.h"
#include "limits.h"
#include "types.h"

static void pipe_io(struct ktstr_worker *w)
{
        const uint64_t burst = w->work->p[0];

        exchange_begin(w);
        for (;;) {
                worker_spin(burst);
                exchange(w);
                worker_progress(w, burst);
        }
}

const struct work_type work_type_PIPE_IO = {
        .name = "PipeIo",
        .params = {{"burst_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = exchange_team_size,
        .open_fds = exchange_open_fds,
        .run = pipe_io,
};
