/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done at equal intervals. */

#include <stdint.h>

/* The tick behind the one at `last_ns` that is still to come. What was missed is missed: who comes late does
 * not make up for it in a burst. */
static inline uint64_t period_next(uint64_t last_ns, uint64_t period_ns, uint64_t now_ns)
{
        if (now_ns < last_ns + period_ns)
                return last_ns + period_ns;
        return last_ns + ((now_ns - last_ns) / period_ns + 1) * period_ns;
}
