/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../proto/codec.h"

static void add_exit(struct json_object *o, int status)
{
        if (WIFSIGNALED(status))
                kt_json_add_int(o, "exit_signal", WTERMSIG(status));
        else
                kt_json_add_int(o, "exit_code", WEXITSTATUS(status));
}

static struct json_object *sched_json(const struct subject *subject)
{
        const struct scheduler *s = &subject->sched;
        struct json_object *o = json_object_new_object();

        if (s->reported_pid > 0)
                kt_json_add_int(o, "pid", s->reported_pid);
        kt_json_add_bool(o, "attached", s->attached);
        if (s->attached)
                kt_json_add_str(o, "ops", s->ops);
        if (s->attach_ms >= 0)
                kt_json_add_int(o, "attach_ms", s->attach_ms);
        if (s->exited)
                add_exit(o, s->wait_status);
        if (s->stop_signal)
                kt_json_add_int(o, "stop_signal", s->stop_signal);
        if (s->stop_ms >= 0)
                kt_json_add_int(o, "stop_ms", s->stop_ms);
        if (subject->forced_timeout_ms > 0)
                kt_json_add_int(o, "forced_timeout_ms", subject->forced_timeout_ms);
        if (s->gone_ns)
                kt_json_add_int(o, "gone_ns", (int64_t)s->gone_ns);
        if (s->gone_ns && s->attached_ns)
                kt_json_add_int(o, "ended_after_ms", (int64_t)((s->gone_ns - s->attached_ns) / 1000000));
        kt_json_add_str(o, "state_after", s->state_after);
        if (s->reason[0] && s->ejected)
                kt_json_add_str(o, "disabled_reason", s->reason);
        if (s->message[0] && s->ejected)
                kt_json_add_str(o, "disabled_message", s->message);
        return o;
}

void report_send(struct agent *a, const struct report *r)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        const char *text;

        kt_json_add_int(o, "t_ns", (int64_t)agent_now_ns());
        kt_json_add_str(o, "outcome", r->outcome);
        kt_json_add_str(o, "error", r->error);
        if (r->subject && r->subject->state != SUBJECT_ABSENT)
                kt_json_add(o, "sched", sched_json(r->subject));
        kt_json_add_str(o, "trace", r->trace);
        kt_json_add_str(o, "trace_error", r->trace_error);
        if (r->body)
                kt_json_add(o, "body", json_object_get(r->body));
        if (r->exec) {
                struct json_object *exec = json_object_new_object();

                add_exit(exec, r->exec_status);
                kt_json_add(o, "exec", exec);
        }
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        if (text && strlen(text) <= KT_FRAME_RESULT_MAX)
                port_send(&a->port, KT_FRAME_RESULT, text, (uint32_t)strlen(text));
        else {
                static const char too_long[] = "{\"outcome\":\"setup_failed\",\"error\":\"the report of so "
                                               "many workers is too long for one frame\"}";
                port_send(&a->port, KT_FRAME_RESULT, too_long, sizeof(too_long) - 1);
        }
}
