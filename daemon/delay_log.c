/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "delay_log.h"

#include <stdlib.h>
#include <string.h>

void delay_log_done(struct delay_log *l)
{
        free(l->samples);
        memset(l, 0, sizeof(*l));
}

void delay_log_add(struct delay_log *l, uint64_t host_ns, uint64_t delay_ns)
{
        if (l->n == l->allocated) {
                size_t allocated = l->allocated ? l->allocated * 2 : 64;
                struct delay_sample *grown = realloc(l->samples, allocated * sizeof(*grown));

                if (!grown)
                        return;
                l->samples = grown;
                l->allocated = allocated;
        }
        l->samples[l->n++] = (struct delay_sample){host_ns, delay_ns};
}

void delay_log_tie(struct delay_log *l, uint64_t host_ns, uint64_t guest_ns)
{
        l->offset_ns = (int64_t)host_ns - (int64_t)guest_ns;
        l->tied = 1;
}

uint64_t delay_log_between(void *log, uint64_t from_ns, uint64_t to_ns)
{
        const struct delay_log *l = log;
        const struct delay_sample *first = NULL, *last = NULL;
        int64_t from = (int64_t)from_ns + l->offset_ns - (int64_t)DELAY_LOG_INTERVAL_NS;
        int64_t to = (int64_t)to_ns + l->offset_ns + (int64_t)DELAY_LOG_INTERVAL_NS;

        if (!l->tied || l->n == 0)
                return 0;
        /* The last sample at or before the window, the first at or after it; where there is none, the
         * outermost. */
        first = &l->samples[0];
        last = &l->samples[l->n - 1];
        for (size_t i = 0; i < l->n; i++)
                if ((int64_t)l->samples[i].host_ns <= from)
                        first = &l->samples[i];
        for (size_t i = l->n; i-- > 0;)
                if ((int64_t)l->samples[i].host_ns >= to)
                        last = &l->samples[i];
        return last->delay_ns > first->delay_ns ? last->delay_ns - first->delay_ns : 0;
}
