/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The next number of a sequence (splitmix64), all 64 bits of it random: what is random in a test comes of
 * its seed alone. *state is the seed at first, whatever it is, and advanced. */
static inline uint64_t random_next(uint64_t *state)
{
        uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
}
