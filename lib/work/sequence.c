/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sequence: its phases, again and again. Units are those of the type that does the same: spin iterations,
 * yields, writes; a sleep is one. */

#include <errno.h>
#include <sched.h>

#include "io.h"
#include "limits.h"
#include "types.h"

static void yield_until(struct ktstr_worker *w, uint64_t until_ns)
{
        do
                sched_yield();
        while (worker_progress(w, 1) < until_ns);
}

static void phase_run(struct ktstr_worker *w, const struct ktstr_phase *phase, int file)
{
        const uint64_t until_ns = worker_now_ns() + phase->duration_ms * 1000000;

        switch (phase->kind) {
        case KTSTR_PHASE_SPIN:
                worker_spin_until(w, until_ns);
                break;
        case KTSTR_PHASE_SLEEP:
                worker_sleep_until(w, until_ns);
                worker_progress(w, 1);
                break;
        case KTSTR_PHASE_YIELD:
                yield_until(w, until_ns);
                break;
        case KTSTR_PHASE_IO:
                while (io_once(w, file) < until_ns)
                        ;
                break;
        }
}

static bool has_io(const struct ktstr_work *work)
{
        for (unsigned i = 0; i < work->n_phases; i++)
                if (work->phases[i].kind == KTSTR_PHASE_IO)
                        return true;
        return false;
}

static void sequence(struct ktstr_worker *w)
{
        const int file = has_io(w->work) ? io_open(w) : -1;

        for (;;)
                for (unsigned i = 0; i < w->work->n_phases; i++)
                        phase_run(w, &w->work->phases[i], file);
}

static int validate(const struct ktstr_work *work, const struct ktstr_topo *topo, struct kt_error *reterr)
{
        if (work->n_phases == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "Sequence has no phases");
        for (unsigned i = 0; i < work->n_phases; i++) {
                const struct ktstr_phase *phase = &work->phases[i];

                if (phase->kind < KTSTR_PHASE_SPIN || phase->kind > KTSTR_PHASE_IO)
                        return kt_error_set(reterr, -EINVAL, NULL,
                                            "phase %u of Sequence is of no known kind", i);
                if (phase->duration_ms == 0 || phase->duration_ms > WORK_MS_MAX)
                        return kt_error_set(reterr, -EINVAL, NULL,
                                            "phase %u of Sequence lasts 1 to %llu ms, got %llu", i,
                                            WORK_MS_MAX, (unsigned long long)phase->duration_ms);
        }
        return 0;
}

const struct work_type work_type_SEQUENCE = {.name = "Sequence", .validate = validate, .run = sequence};
