/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SignalStorm, in the way of signaltest: two that signal each other as fast as they can. A signal that comes
 * early interrupts a spinning worker, one that is waited for wakes it. A unit is a spin iteration.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "types.h"

/* Of each of the two. A signal itself does not count: two that meet are one. */
struct end {
        _Alignas(64) _Atomic uint32_t pid; /* 0: it is not there yet */
        _Atomic uint64_t sent;
};

static unsigned team_size(const struct ktstr_work *work)
{
        return 2;
}

static size_t shared_size(const struct ktstr_work *work)
{
        return 2 * sizeof(struct end);
}

static void on_signal(int signo)
{
}

/* Spinning it is interrupted. Between looking and waiting it must not be: the mask says when. */
static void await_signal(const struct end *partner, uint64_t count, const sigset_t *blocked,
                         const sigset_t *open)
{
        sigprocmask(SIG_SETMASK, blocked, NULL);
        while (atomic_load(&partner->sent) < count)
                sigsuspend(open);
        sigprocmask(SIG_SETMASK, open, NULL);
}

static void signal_storm(struct ktstr_worker *w)
{
        struct end *ends = w->team->shared, *own = &ends[w->team_index], *partner = &ends[1 - w->team_index];
        const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        const uint64_t spin = w->work->p[0];
        sigset_t blocked, open;

        sigprocmask(SIG_SETMASK, NULL, &open);
        sigdelset(&open, SIGUSR1);
        blocked = open;
        sigaddset(&blocked, SIGUSR1);
        sigaction(SIGUSR1, &action, NULL);
        sigprocmask(SIG_SETMASK, &open, NULL);
        /* Not before it has its handler: else the signal would end it. */
        atomic_store(&own->pid, (uint32_t)getpid());
        worker_futex_wake(&own->pid, 1);
        worker_futex_wait(&partner->pid, 0);
        for (uint64_t count = 1;; count++) {
                atomic_store(&own->sent, count);
                if (kill((pid_t)atomic_load(&partner->pid), SIGUSR1) < 0)
                        worker_orphaned();
                worker_spin(spin);
                await_signal(partner, count, &blocked, &open);
                worker_progress(w, spin);
        }
}

const struct work_type work_type_SIGNAL_STORM = {
        .name = "SignalStorm",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .team_size = team_size,
        .shared_size = shared_size,
        .run = signal_storm,
};
