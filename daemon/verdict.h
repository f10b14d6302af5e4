/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a job ended: exactly one of these per job. The fields are those of the type
 * Verdict in io.ktstrd.Job. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/error.h"
#include "../lib/check.h"
#include "../lib/body_report.h"

enum verdict_kind {
        VERDICT_PASS,
        VERDICT_FAIL,
        VERDICT_INCONCLUSIVE,
        VERDICT_SKIP,
        VERDICT_CANCELLED,
        VERDICT_ERROR,
};

enum sched_outcome {
        SCHED_STOPPED,
        SCHED_EXITED,
        SCHED_FAILED,
        SCHED_KILLED,
        SCHED_NOT_ATTACHED,
        SCHED_EJECTED,
        SCHED_RELEASED,
        SCHED_STUCK,
        SCHED_UNKNOWN,
};

struct sched_result {
        bool attached;
        bool stopping; /* it had been told to stop when it ended */
        enum sched_outcome outcome;
        char *ops;              /* all strings owned, NULL when unknown */
        int64_t attach_ms;      /* -1: never */
        int64_t ended_after_ms; /* by itself, since it had attached; -1: it did not, or nobody saw it */
        int64_t exit_code;      /* -1: none */
        int64_t exit_signal;    /* -1: none */
        uint64_t gone_ns; /* in the guest's time, when it was seen to have ended by itself; 0: not known */
        char *exit_kind, *exit_reason, *exit_message;
        char *error_text, *verifier_log, *dump;
};

struct host_delay {
        bool known;
        uint64_t window_ms, run_delay_ms, worker_delay_ms;
        unsigned samples;
};

struct verdict {
        enum verdict_kind kind;
        char *reason;
        char *error; /* wire name, for VERDICT_ERROR */
        char **details;
        size_t n_details;
        bool has_sched;
        struct sched_result sched;
        struct kt_check_result *checks;
        size_t n_checks;
        bool has_body; /* the test's body came to an end of its own and reported */
        struct body_report body;
        struct host_delay host;
        char *trace, *trace_error;      /* of a job that is traced, as in its report; NULL: none */
        int64_t exit_code, exit_signal; /* of a command; -1: none */
        uint64_t elapsed_ms;
};

const char *verdict_kind_name(enum verdict_kind kind);
const char *sched_outcome_name(enum sched_outcome outcome);

void verdict_init(struct verdict *v);
void verdict_done(struct verdict *v);

/* Set kind and reason (replacing them). Allocation failure leaves reason NULL, which reads as "out of
 * memory". */
void verdict_set(struct verdict *v, enum verdict_kind kind, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* VERDICT_ERROR from what went wrong. */
void verdict_set_error(struct verdict *v, const struct kt_error *err);
void verdict_add_detail(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * From all that is known about the scheduler, the test and the checks to kind and reason. The scheduler's
 * end weighs before all else; of what the test said and the checks found the worst counts, as in enum
 * ktstr_outcome. sched_name NULL: EEVDF. is_test: a test's own function ran, which need not have had any
 * workload.
 */
void verdict_judge(struct verdict *v, const char *sched_name, bool is_test);

/* What the test itself failed for though its scheduler ended in an error: what it said, or a check that was
 * missed when all of the workload had ended before the scheduler did. Workers that ran while it died may
 * have been starved by that, and their misses say nothing. NULL: nothing; borrowed. */
const char *verdict_own_failure(const struct verdict *v);

/* How the scheduler's life ended, when it did not end as it should: kind and reason are set, true. */
bool verdict_judge_scheduler(struct verdict *v, const char *sched_name);
