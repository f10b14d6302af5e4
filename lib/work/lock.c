/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lock.h"

void lock_take(_Atomic uint32_t *lock)
{
        uint32_t free = 0;

        if (atomic_compare_exchange_strong(lock, &free, 1))
                return;
        /* Whoever waited takes it as waited for: others may wait still. */
        while (atomic_exchange(lock, 2) != 0)
                worker_futex_wait(lock, 2);
}

void lock_release(_Atomic uint32_t *lock)
{
        if (atomic_exchange(lock, 0) == 2)
                worker_futex_wake(lock, 1);
}
