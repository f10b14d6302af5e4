/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_report.h"

#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/limits.h"
#include "../lib/guest_value.h"

#define TEXT_MAX (64U * 1024U)
#define TRACE_ERROR_MAX 1024U

static int parse_payload(const struct kt_frame *frame, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (kt_json_parse((const char *)frame->payload, frame->size, &o, &err) < 0)
                return guest_value_bad(reterr, kt_error_text(&err));
        if (!json_object_is_type(o, json_type_object))
                return guest_value_bad(reterr, "it is no JSON object");
        *ret = TAKE_PTR(o);
        return 0;
}

static int parse_outcome(struct json_object *o, enum report_outcome *ret, struct kt_error *reterr)
{
        static const char *const names[] = {
                [REPORT_DONE] = "done",
                [REPORT_BODY_FAILED] = "body_failed",
                [REPORT_NOT_ATTACHED] = "not_attached",
                [REPORT_SCHED_EXITED] = "sched_exited",
                [REPORT_SCHED_EJECTED] = "sched_ejected",
                [REPORT_EXEC_DONE] = "exec_done",
                [REPORT_CANCELLED] = "cancelled",
                [REPORT_DECLARATION_FAILED] = "declaration_failed",
                [REPORT_OUT_OF_MEMORY] = "out_of_memory",
                [REPORT_SETUP_FAILED] = "setup_failed",
        };
        struct json_object *v = guest_value_member(o, "outcome", json_type_string);

        for (size_t i = 0; v && i < KT_ARRAY_SIZE(names); i++)
                if (strcmp(json_object_get_string(v), names[i]) == 0) {
                        *ret = (enum report_outcome)i;
                        return 0;
                }
        return guest_value_bad(reterr, "its outcome is none that is known");
}

/* Of more than there may be, the beginning. */
static char *parse_trace(struct json_object *o)
{
        char *text = guest_value_text(o, "trace", KT_TRACE_BYTES_MAX), *end = text;

        for (unsigned n = 0; end && *end && n < KT_TRACE_LINES_MAX; n++) {
                end += strcspn(end, "\n");
                end += *end == '\n';
        }
        if (end)
                *end = '\0';
        return text;
}

int guest_report_parse(const struct kt_frame *frame, struct guest_report *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        struct guest_report report = {.exec_code = -1, .exec_signal = -1};
        struct json_object *sched, *exec, *body;
        int r;

        r = parse_payload(frame, &o, reterr);
        if (r < 0)
                return r;
        r = parse_outcome(o, &report.outcome, reterr);
        if (r < 0)
                return r;
        body = guest_value_member(o, "body", json_type_object);
        report.has_body = body != NULL;
        r = body ? body_report_parse(body, &report.body, reterr) : 0;
        if (r < 0)
                return r;
        report.error = guest_value_text(o, "error", TEXT_MAX);
        report.trace = parse_trace(o);
        report.trace_error = guest_value_text(o, "trace_error", TRACE_ERROR_MAX);
        sched = guest_value_member(o, "sched", json_type_object);
        report.sched.present = sched != NULL;
        report.sched.attached = sched && guest_value_is_true(sched, "attached");
        report.sched.ops = sched ? guest_value_text(sched, "ops", TEXT_MAX) : NULL;
        report.sched.state_after = sched ? guest_value_text(sched, "state_after", TEXT_MAX) : NULL;
        report.sched.disabled_reason = sched ? guest_value_text(sched, "disabled_reason", TEXT_MAX) : NULL;
        report.sched.disabled_message = sched ? guest_value_text(sched, "disabled_message", TEXT_MAX) : NULL;
        report.sched.attach_ms = sched ? guest_value_number(sched, "attach_ms") : -1;
        report.sched.exit_code = sched ? guest_value_number(sched, "exit_code") : -1;
        report.sched.exit_signal = sched ? guest_value_number(sched, "exit_signal") : -1;
        report.sched.stop_signal = sched ? guest_value_number(sched, "stop_signal") : -1;
        report.sched.gone_ns = sched ? guest_value_number(sched, "gone_ns") : -1;
        report.sched.ended_after_ms = sched ? guest_value_number(sched, "ended_after_ms") : -1;
        report.sched.forced_timeout_ms = sched ? guest_value_number(sched, "forced_timeout_ms") : -1;
        exec = guest_value_member(o, "exec", json_type_object);
        report.exec_code = exec ? guest_value_number(exec, "exit_code") : -1;
        report.exec_signal = exec ? guest_value_number(exec, "exit_signal") : -1;
        *ret = report;
        return 0;
}

void guest_report_done(struct guest_report *r)
{
        free(r->error);
        free(r->trace);
        free(r->trace_error);
        free(r->sched.ops);
        free(r->sched.state_after);
        free(r->sched.disabled_reason);
        free(r->sched.disabled_message);
        body_report_done(&r->body);
        memset(r, 0, sizeof(*r));
}

int guest_event_parse(const struct kt_frame *frame, struct guest_event *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        int r = parse_payload(frame, &o, reterr);

        if (r < 0)
                return r;
        *ret = (struct guest_event){.t_ns = guest_value_number(o, "t_ns"),
                                    .took_ms = guest_value_number(o, "took_ms")};
        guest_value_copy(o, "kind", ret->kind, sizeof(ret->kind));
        guest_value_copy(o, "state", ret->state, sizeof(ret->state));
        guest_value_copy(o, "step", ret->step, sizeof(ret->step));
        guest_value_copy(o, "ops", ret->ops, sizeof(ret->ops));
        guest_value_copy(o, "text", ret->text, sizeof(ret->text));
        return ret->kind[0] ? 0 : guest_value_bad(reterr, "an event has no kind");
}

int guest_hello_parse(const struct kt_frame *frame, struct guest_hello *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        int r = parse_payload(frame, &o, reterr);

        if (r < 0)
                return r;
        *ret = (struct guest_hello){.t_ns = guest_value_number(o, "t_ns")};
        guest_value_copy(o, "agent", ret->agent, sizeof(ret->agent));
        guest_value_copy(o, "kernel", ret->kernel, sizeof(ret->kernel));
        guest_value_copy(o, "mailbox_error", ret->mailbox_error, sizeof(ret->mailbox_error));
        ret->mailbox = guest_value_is_true(o, "mailbox");
        return 0;
}
