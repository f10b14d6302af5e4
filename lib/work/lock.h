/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A mutex of one futex word, zeroed at first, between processes: 0 is free, 1 held, 2 held and waited for.
 * Not fair: who comes by may take it before one that was woken for it, as with those of libc. */

#include "../body/worker.h"

void lock_take(_Atomic uint32_t *lock);
void lock_release(_Atomic uint32_t *lock);
