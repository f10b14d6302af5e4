/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a guest says, read with suspicion: the JSON payloads of proto/guestmsg.h into plain structs. Every
 * type, length and count is checked; what breaks the contract is -EBADMSG with a text, and nothing is kept.
 */

#include "../common/error.h"
#include "../proto/frame.h"
#include "../lib/body_report.h"

enum report_outcome {
        REPORT_DONE,
        REPORT_BODY_FAILED,
        REPORT_NOT_ATTACHED,
        REPORT_SCHED_EXITED,
        REPORT_SCHED_EJECTED,
        REPORT_EXEC_DONE,
        REPORT_CANCELLED,
        REPORT_DECLARATION_FAILED,
        REPORT_OUT_OF_MEMORY,
        REPORT_SETUP_FAILED,
};

struct guest_report {
        enum report_outcome outcome;
        char *error;
        struct {
                bool present, attached;
                char *ops, *state_after, *disabled_reason, *disabled_message;
                int64_t attach_ms, exit_code, exit_signal, stop_signal, gone_ns, ended_after_ms,
                        forced_timeout_ms; /* -1: absent */
        } sched;
        char *trace,
                *trace_error; /* lines, at most so many and so long as proto/limits.h has it; NULL: none */
        bool has_body;
        struct body_report body;
        int64_t exec_code, exec_signal; /* -1: absent */
};

int guest_report_parse(const struct kt_frame *frame, struct guest_report *ret, struct kt_error *reterr);
void guest_report_done(struct guest_report *r);

struct guest_event {
        char kind[32], state[16], step[128]; /* the latter two of a step; "" otherwise */
        int64_t t_ns;
        char ops[128];   /* sched_attached; "" otherwise */
        char text[512];  /* note */
        int64_t took_ms; /* sched_attached; -1: absent */
};

int guest_event_parse(const struct kt_frame *frame, struct guest_event *ret, struct kt_error *reterr);

struct guest_hello {
        char agent[64], kernel[128], mailbox_error[256];
        bool mailbox;
        int64_t t_ns;
};

int guest_hello_parse(const struct kt_frame *frame, struct guest_hello *ret, struct kt_error *reterr);
