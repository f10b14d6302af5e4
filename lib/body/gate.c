/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>

#include "worker.h"

int gate_init(struct gate *g)
{
        void *page =
                mmap(NULL, sizeof(*g->openings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        g->openings = page == MAP_FAILED ? NULL : page;
        return g->openings ? 0 : -ENOMEM;
}

void gate_done(struct gate *g)
{
        if (g->openings)
                munmap(g->openings, sizeof(*g->openings));
        g->openings = NULL;
}

void gate_open(struct gate *g)
{
        atomic_fetch_add(g->openings, 1);
        worker_futex_wake(g->openings, INT_MAX);
}

uint32_t gate_ticket(const struct gate *g)
{
        return atomic_load(g->openings);
}

void gate_wait(const struct gate *g, uint32_t ticket)
{
        worker_futex_wait(g->openings, ticket);
}
