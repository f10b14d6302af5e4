/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stall.h"

#include "../common/fsutil.h"

#define NS_PER_MS 1000000ULL
#define UNSET "the timeout of %llu ms is the default, and .watchdog_timeout_s sets another"

char *stall_excuse(const struct kt_workload *w, struct delay_log *delays, uint64_t gone_ns,
                   uint64_t timeout_ms)
{
        const uint64_t timeout_ns = timeout_ms * NS_PER_MS,
                       from_ns = gone_ns > timeout_ns ? gone_ns - timeout_ns : 0,
                       delay_ns = delay_log_between(delays, KT_DELAY_OF_ONE, from_ns, gone_ns),
                       round_ns = kt_check_round_ns(w, from_ns, gone_ns);

        if (2 * delay_ns >= timeout_ns)
                return kt_format(
                        "in the %llu ms before, the host may have kept a worker waiting for %llu; " UNSET,
                        (unsigned long long)timeout_ms, (unsigned long long)(delay_ns / NS_PER_MS),
                        (unsigned long long)timeout_ms);
        if (round_ns >= timeout_ns)
                return kt_format("with so many workers a round takes up to %llu ms; " UNSET,
                                 (unsigned long long)(round_ns / NS_PER_MS), (unsigned long long)timeout_ms);
        return NULL;
}
