/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logging to the journal (when stderr is connected to it: $JOURNAL_STREAM) or to stderr.
 *
 * The context (job and uid) is a per-thread pair set around the handling of one request or job event; it
 * stands in front of every line, and is sent as the fields JOB= and REQUEST_UID= to the journal besides.
 * Library-like modules log at KT_LOG_DEBUG only; whoever handles a failure logs it, once.
 */

#include <sys/types.h>
#include <syslog.h>

/* target: "auto" (default, also NULL), "journal", "stderr". max_level: LOG_ERR … LOG_DEBUG. identifier is
 * kept. -EINVAL for another target, -ENOENT or the like when there is no journal. Before threads are
 * started. */
int kt_log_open(const char *identifier, const char *target, int max_level);
int kt_log_max_level(void);

struct kt_log_context {
        char job[32]; /* "" outside a job; a copy, since a job may end while its context stands */
        long uid;     /* -1 when unknown */
};

/* Replace the thread's context, return the previous one (to be put back). */
struct kt_log_context kt_log_swap_context(struct kt_log_context ctx);

static inline void kt_log_restore_context(struct kt_log_context *previous)
{
        kt_log_swap_context(*previous);
}

/* The thread's context from here to the end of the block. */
#define kt_log_scope(ctx)                                                                                   \
        __attribute__((cleanup(kt_log_restore_context), unused)) struct kt_log_context kt_log_previous =    \
                kt_log_swap_context(ctx)

void kt_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define kt_log_debug(...) kt_log(LOG_DEBUG, __VA_ARGS__)
#define kt_log_info(...) kt_log(LOG_INFO, __VA_ARGS__)
#define kt_log_notice(...) kt_log(LOG_NOTICE, __VA_ARGS__)
#define kt_log_warning(...) kt_log(LOG_WARNING, __VA_ARGS__)
#define kt_log_error(...) kt_log(LOG_ERR, __VA_ARGS__)
