/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seed.h"

#include <sys/random.h>

int64_t kt_random_seed(void)
{
        uint32_t seed = 0;

        /* So few bytes are never refused, nor cut short by a signal. */
        (void)!getrandom(&seed, sizeof(seed), 0);
        return seed;
}
