/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "talk.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "../common/cleanup.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"

#define TICK_MS 10
#define NS_PER_MS 1000000ULL

/* Lines that are taken before the agent looks at the rest of the world. */
#define LINES_AT_ONCE 64

/* To collect what thousands of workers have measured under emulation takes its time, which is there when it
 * is the scheduler that ended. */
static const struct talk_grace usual_grace = {.stop_ms = 2000, .gone_ms = 10000, .exit_ms = 5000};

/* Of one test; more says nothing to anybody. */
#define EVENTS_MAX 2000
#define TEXT_MAX 1000U /* bytes of a note, or of a step's name */

static const struct talk_grace *grace_of(const struct talk *t)
{
        return t->grace ?: &usual_grace;
}

static void tell_to_stop(struct talk *t, const char *key, const char *reason, uint64_t grace_ms)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, key, reason);
        /* One that does not hear is ended soon. */
        (void)body_say(t->body, o);
        t->told_to_stop = reason;
        t->patience_ns = agent_now_ns() + grace_ms * NS_PER_MS;
}

static int refuse(const char *what, struct json_object *line, struct kt_error *reterr)
{
        const char *text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN);

        return kt_error_set(reterr, -EBADMSG, NULL,
                            "the test broke its conversation with the agent (%s): %.120s", what, text);
}

/* --- events --- */

/* prefix: JSON text of further fields, with a comma behind them. Too long a text is cut, at a whole
 * character. */
static void send_text_event(struct talk *t, const char *kind, const char *prefix, const char *key,
                            const char *text)
{
        size_t len = strlen(text);

        if (len > TEXT_MAX)
                for (len = TEXT_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
                        len--;
        struct json_object *o = json_object_new_string_len(text, (int)len);
        agent_event(t->body->agent, kind, "%s\"%s\":%s", prefix, key,
                    json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        json_object_put(o);
}

static int take_event(struct talk *t, struct json_object *line, const char *event, struct kt_error *reterr)
{
        const char *state = kt_json_str(line, "state") ?: "", *text = kt_json_str(line, "text") ?: "";
        struct agent *a = t->body->agent;
        bool workload = strcmp(event, "workload_started") == 0 || strcmp(event, "workload_stopped") == 0;

        /* Those that times are measured by always go. */
        if (!workload && ++t->n_events > EVENTS_MAX) {
                if (t->n_events == EVENTS_MAX + 1)
                        agent_event(a, "note",
                                    "\"text\":\"the test says too much: its further steps and notes are not "
                                    "shown\"");
                return 0;
        }
        if (workload)
                agent_event(a, event, NULL);
        else if (strcmp(event, "step") == 0 && strcmp(state, "begin") == 0)
                send_text_event(t, "step", "\"state\":\"begin\",", "step", kt_json_str(line, "step") ?: "");
        else if (strcmp(event, "step") == 0 && strcmp(state, "end") == 0)
                send_text_event(t, "step", "\"state\":\"end\",", "step", kt_json_str(line, "step") ?: "");
        else if (strcmp(event, "note") == 0)
                send_text_event(t, "note", "", "text", text);
        else
                return refuse("an event that is not known", line, reterr);
        return 0;
}

/* --- what it asks --- */

static void answer(struct talk *t, int r, pid_t pid, const struct kt_error *err)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "answer", r < 0 ? "failed" : "ok");
        if (r < 0) {
                kt_json_add_str(o, "error", kt_error_text(err));
                kt_json_add_str(o, "blame", r == -ECHILD ? "scheduler" : "agent");
        } else if (pid > 0)
                kt_json_add_int(o, "pid", pid);
        /* One that asks and does not hear has ended, or ends by its time. */
        (void)body_say(t->body, o);
}

static int take_request(struct talk *t, struct json_object *line, const char *ask, struct kt_error *reterr)
{
        static const char *const names[] = {
                [TALK_SCHED_STOP] = "sched_stop",
                [TALK_SCHED_START] = "sched_start",
                [TALK_SCHED_RESTART] = "sched_restart",
                [TALK_SCHED_REPLACE] = "sched_replace",
        };
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *argv = kt_json_get(line, "argv");
        const char *name = kt_json_str(line, "name");
        unsigned what = 0;
        pid_t pid = 0;
        int r;

        while (what < KT_ARRAY_SIZE(names) && strcmp(names[what], ask) != 0)
                what++;
        if (what == KT_ARRAY_SIZE(names))
                return refuse("it asks for what is not known", line, reterr);
        if (what == TALK_SCHED_REPLACE &&
            (!name || !json_object_is_type(argv, json_type_array) || json_object_array_length(argv) == 0))
                return refuse("a scheduler without name or program", line, reterr);
        r = t->ops->request(t->userdata, (enum talk_request)what, name, argv, &pid, &err);
        answer(t, r, pid, &err);
        return 0;
}

/* --- lines --- */

static int take_result(struct talk *t, struct json_object *line, struct kt_error *reterr)
{
        struct json_object *result = kt_json_get(line, "result");

        if (!json_object_is_type(result, json_type_object))
                return refuse("a result that is none", line, reterr);
        t->result = json_object_get(result);
        t->patience_ns = agent_now_ns() + grace_of(t)->exit_ms * NS_PER_MS;
        return 0;
}

static int take_line(struct talk *t, struct json_object *line, struct kt_error *reterr)
{
        struct json_object *event = kt_json_get(line, "event"), *ask = kt_json_get(line, "ask");

        if (t->result)
                return refuse("more behind its result", line, reterr);
        if (json_object_is_type(event, json_type_string))
                return take_event(t, line, json_object_get_string(event), reterr);
        if (json_object_is_type(ask, json_type_string))
                return take_request(t, line, json_object_get_string(ask), reterr);
        if (kt_json_get(line, "result"))
                return take_result(t, line, reterr);
        return refuse("a line that is not known", line, reterr);
}

/* 1: there may be more. */
static int take_lines(struct talk *t, struct kt_error *reterr)
{
        int r = 1;

        for (int i = 0; i < LINES_AT_ONCE && r > 0; i++) {
                _cleanup_json_ struct json_object *line = NULL;

                r = body_hear(t->body, &line, reterr);
                if (r > 0 && take_line(t, line, reterr) < 0)
                        r = -EBADMSG;
        }
        return r;
}

/* --- its end --- */

/* It has ended, and said all that it had to say. */
static enum talk_end judge_exit(const struct talk *t, struct kt_error *reterr)
{
        if (t->result && t->body->wait_status == 0)
                return TALK_DONE;
        body_explain(t->body, t->result ? ", behind its result" : ", without a result", reterr);
        return TALK_FAILED;
}

static enum talk_end judge_silence(const struct talk *t, struct kt_error *reterr)
{
        const char *test = t->body->spec->test;

        if (t->result)
                kt_error_set(reterr, -ETIMEDOUT, NULL,
                             "test %s did not exit within %llu ms of its result and was killed", test,
                             (unsigned long long)grace_of(t)->exit_ms);
        else if (t->told_to_stop)
                kt_error_set(reterr, -ETIMEDOUT, NULL,
                             "test %s did not end within %llu ms, nor when it was told to stop, and was "
                             "killed; one that "
                             "needs more says so with .timeout_s",
                             test, (unsigned long long)t->timeout_ms);
        else
                kt_error_set(
                        reterr, -ETIMEDOUT, NULL,
                        "test %s closed its conversation with the agent without a result, and was killed",
                        test);
        return TALK_FAILED;
}

/* A result that came too late counts, but not as a test that ended. */
static enum talk_end judge_end(const struct talk *t, enum talk_end how, struct kt_error *reterr)
{
        if (t->body->agent->cancelled)
                return TALK_CANCELLED;
        if (t->sched_gone)
                return TALK_SCHED_GONE;
        if (how == TALK_DONE && t->told_to_stop) {
                kt_error_set(reterr, -ETIMEDOUT, NULL,
                             "test %s did not end within %llu ms and was stopped; one that needs more says "
                             "so with "
                             ".timeout_s",
                             t->body->spec->test, (unsigned long long)t->timeout_ms);
                return TALK_FAILED;
        }
        return how;
}

static void look_around(struct talk *t, uint64_t deadline_ns)
{
        if (!t->sched_gone && !t->ops->is_well(t->userdata)) {
                t->sched_gone = true;
                if (!t->result)
                        tell_to_stop(t, "sched_gone",
                                     t->ops->was_ejected(t->userdata) ? "ejected" : "exited",
                                     grace_of(t)->gone_ms);
        }
        if (t->told_to_stop || t->result)
                return;
        if (t->body->agent->cancelled)
                tell_to_stop(t, "stop", "cancelled", grace_of(t)->stop_ms);
        else if (agent_now_ns() >= deadline_ns)
                tell_to_stop(t, "stop", "time", grace_of(t)->stop_ms);
}

static enum talk_end converse(struct talk *t, uint64_t deadline, struct kt_error *reterr)
{
        const struct agent *a = t->body->agent;

        for (;;) {
                /* In this order: what it said before it ended is heard. That no more comes is not the end of
                 * file: what it started may have its descriptor still. */
                bool ended = body_has_ended(t->body);
                int r = take_lines(t, reterr);

                if (a->kmsg.oom[0])
                        return TALK_MEMORY;
                if (r < 0 || (t->ops->has_run_wild && t->ops->has_run_wild(t->userdata, reterr)))
                        return judge_end(t, TALK_FAILED, reterr);
                if (ended && r == 0)
                        return judge_end(t, judge_exit(t, reterr), reterr);
                look_around(t, deadline);
                if (t->body->fd < 0 && t->patience_ns == 0)
                        t->patience_ns = agent_now_ns() + grace_of(t)->exit_ms * NS_PER_MS;
                if (t->patience_ns > 0 && agent_now_ns() >= t->patience_ns)
                        return judge_end(t, judge_silence(t, reterr), reterr);
                body_wait(t->body, r > 0 ? 0 : TICK_MS);
        }
}

enum talk_end talk_run(struct talk *t, struct json_object *begin, struct kt_error *reterr)
{
        const uint64_t deadline = agent_now_ns() + t->timeout_ms * NS_PER_MS;
        struct agent *a = t->body->agent;
        enum talk_end end;

        (void)body_say(t->body, begin);
        /* Also while the scheduler is waited for that the body asked for: one that computes meanwhile would
         * keep it from its CPU. */
        a->rt_budget = &t->body->rt_budget;
        end = converse(t, deadline, reterr);
        a->rt_budget = NULL;
        return end;
}

void talk_done(struct talk *t)
{
        json_object_put(t->result);
        t->result = NULL;
}
