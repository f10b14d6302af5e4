/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From what was seen of a job that had a guest to its verdict: who is at fault, the scheduler, the test, the
 * harness, or the host?
 */

#include <stdbool.h>

#include "delay_log.h"
#include "guest.h"
#include "guest_report.h"
#include "verdict.h"

struct expect_search;
struct job;

/* What was seen, gathered while the guest ran. */
struct evidence {
        bool attached; /* the agent said so */
        bool timed_out;
        bool have_report;
        struct guest_report report; /* judging takes of it what the verdict keeps */
        struct delay_log delays;
        uint64_t workload_ms;                /* uv_now when the workload started; 0: it did not */
        uint64_t workload_end_ns, result_ns; /* uv_hrtime when it ended and when the report came; 0: not */
        unsigned n_events, n_notes;          /* of the agent */
        char *sched_text; /* what the scheduler printed, as far as it is searched for the error */
        size_t sched_text_size, sched_text_room;
        struct kt_error failure; /* why we ended the guest, when it was not its job's end */
};

void evidence_done(struct evidence *e);

/* Keep what the scheduler printed: the first 16 MiB, since that is where the error is. The whole is on disk.
 */
void evidence_add_output(struct evidence *e, const char *data, size_t size);

/*
 * Fill the job's verdict, as if no error were expected. end and err say how the guest ended when it did so
 * without a report; console: its last lines, or NULL.
 */
void judge(struct job *job, struct evidence *e, enum guest_end end, const struct kt_error *err,
           const char *console);

/* The kernel's words about a scheduler's end: "runtime error" and its message, a line each; "" when there
 * are none. Malloced; NULL when memory is out. */
char *judge_kernel_words(const struct verdict *v);

/* Then: what was expected, and how long the guest took to come to its end. search: see
 * expect_wants_search(). */
void judge_settle(struct job *job, const struct evidence *e, const struct expect_search *search);
