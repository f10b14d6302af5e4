/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tsc.h"

#include <cpuid.h>
#include <stdbool.h>
#include <time.h>
#include <x86intrin.h>

#define WINDOW_NS 10000000
#define LOOKS 16 /* of which the least disturbed counts */

static uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Both clocks at once, as nearly as that can be: the time between two looks at the counter that are close
 * together. */
struct tsc_moment tsc_look(void)
{
        struct tsc_moment best = {0};
        uint64_t best_took = UINT64_MAX;

        for (unsigned i = 0; i < LOOKS; i++) {
                const uint64_t before = __rdtsc(), ns = now_ns(), took = __rdtsc() - before;

                if (took < best_took) {
                        best_took = took;
                        best = (struct tsc_moment){.ns = ns, .ticks = before + took / 2};
                }
        }
        return best;
}

/* CPUID's "invariant TSC". */
static bool is_constant(void)
{
        unsigned a, b, c, d;

        return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1U << 8));
}

unsigned tsc_khz_since(const struct tsc_moment *then)
{
        struct tsc_moment now = tsc_look();

        if (!is_constant())
                return 0;
        if (now.ns - then->ns < WINDOW_NS) {
                nanosleep(&(struct timespec){.tv_nsec = WINDOW_NS}, NULL);
                now = tsc_look();
        }
        return (unsigned)((double)(now.ticks - then->ticks) * 1e6 / (double)(now.ns - then->ns));
}
