/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subscription.h"

#include <stdlib.h>

#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "call.h"
#include "job.h"
#include "job_json.h"

struct subscription {
        struct job_watcher watcher;
        struct call *call;
        struct job *job;
        uint64_t sent; /* number of the last event sent */
        bool cancels;
        bool pumping;
};

static struct json_object *event_reply(const struct job *job, const struct event *e)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "job", job->id);
        kt_json_add(o, "event", job_event_json(job, e));
        return o;
}

static void subscription_end(struct subscription *s, struct json_object *last)
{
        struct call *call = s->call;

        job_unwatch(&s->watcher);
        free(s);
        call_reply(call, last);
}

/* Send what there is and the client takes. s may be gone afterwards. */
static void pump(struct subscription *s)
{
        struct event *e;

        if (s->pumping)
                return;
        s->pumping = true;
        while ((e = job_event_after(s->job, s->sent))) {
                if (e->kind == EVENT_VERDICT) {
                        subscription_end(s, event_reply(s->job, e));
                        return;
                }
                if (s->call->more) {
                        if (!call_can_send(s->call))
                                break;
                        call_send(s->call, event_reply(s->job, e));
                }
                s->sent = e->seq;
        }
        s->pumping = false;
        /* Asked for what is after the last event: there will be none. */
        if (s->job->state == JOB_ENDED && !job_event_after(s->job, s->sent) && s->sent >= s->job->last_seq) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "job", s->job->id);
                subscription_end(s, o);
        }
}

static void on_event(struct job_watcher *w)
{
        pump(kt_container_of(w, struct subscription, watcher));
}

static void on_drain(struct call *call)
{
        pump(call->userdata);
}

static void on_gone(struct call *call)
{
        struct subscription *s = call->userdata;
        struct job *job = s->job;
        bool cancels = s->cancels;

        job_unwatch(&s->watcher);
        free(s);
        call_reply(call, NULL);
        if (cancels && job->state != JOB_ENDED) {
                kt_log_scope(job_log_context(job));
                kt_log_info("its client went away, cancelling");
                job_cancel(job);
        }
}

void subscription_start(struct call *call, struct job *job, uint64_t since, bool cancels)
{
        struct subscription *s = calloc(1, sizeof(*s));

        if (!s) {
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
                return;
        }
        kt_list_init(&s->watcher.link);
        s->watcher.on_event = on_event;
        s->call = call;
        s->job = job;
        s->sent = since;
        s->cancels = cancels;
        call->userdata = s;
        call->on_cancel = on_gone;
        call->on_drain = on_drain;
        job_watch(job, &s->watcher);
        pump(s);
}

void subscription_begin(struct call *call, struct job *job)
{
        const bool detach = kt_json_bool(call->parameters, "detach", false);

        if (detach && !call->more) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "job", job->id);
                call_reply(call, o);
        } else
                subscription_start(call, job, 0, !detach);
}
