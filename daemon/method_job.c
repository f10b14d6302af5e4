/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Job */
#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "job.h"
#include "job_json.h"
#include "job_request.h"
#include "qemu_args.h"
#include "queue.h"
#include "server.h"
#include "subscription.h"

static void submit(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(job_spec_done) struct job_spec spec = {};
        struct job *job;

        if (job_request_run(call, &spec, &err) < 0 ||
            jobs_submit(&call->server->jobs, &spec, &job, &err) < 0) {
                call_fail(call, &err);
                return;
        }
        subscription_begin(call, job);
        jobs_pump(&job->server->jobs); /* the call may be gone by now */
}

static struct job *find_job(struct call *call)
{
        const char *id = kt_json_str(call->parameters, "job");
        struct job *job = jobs_find(&call->server->jobs, id);

        if (!job)
                call_fail_text(call, KT_E_NO_SUCH_JOB, "no job '%s' here; `ktstrctl jobs` lists them", id);
        return job;
}

static void attach(struct call *call)
{
        struct job *job = find_job(call);
        int64_t since;

        if (!job)
                return;
        if (!call->more && job->state != JOB_ENDED) {
                call_fail_text(call, KT_E_EXPECTED_MORE, "job %s has not ended; Attach needs `more` then",
                               job->id);
                return;
        }
        since = kt_json_int(call->parameters, "since", 0);
        subscription_start(call, job, since < 0 ? 0 : (uint64_t)since, false);
}

static void cancel(struct call *call)
{
        struct job *job = find_job(call);

        if (!job)
                return;
        if (!call_may_act_for(call, job->spec.uid)) {
                call_fail_text(call, KT_E_PERMISSION_DENIED, "job %s belongs to uid %u", job->id,
                               (unsigned)job->spec.uid);
                return;
        }
        job_cancel(job);
        call_reply(call, NULL);
}

static void list(struct call *call)
{
        int64_t limit = kt_json_int(call->parameters, "limit", 100);
        struct json_object *o = json_object_new_object(), *a = json_object_new_array();
        struct jobs *jobs = &call->server->jobs;

        for (struct kt_list *it = jobs->all.prev; it != &jobs->all && limit-- > 0; it = it->prev)
                json_object_array_add(a, job_summary_json(kt_list_entry(it, struct job, link)));
        kt_json_add(o, "jobs", a);
        call_reply(call, o);
}

static void show(struct call *call)
{
        struct job *job = find_job(call);
        struct json_object *o;

        if (!job)
                return;
        o = json_object_new_object();
        kt_json_add(o, "job", job_summary_json(job));
        if (job->state == JOB_ENDED)
                kt_json_add(o, "verdict", job_verdict_json(job));
        call_reply(call, o);
}

/* --- Room --- */

static void room_known(void *userdata)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct call *call = userdata;
        struct server *s = call->server;
        struct topology topology;
        struct json_object *o;
        enum accel accel;
        int r;

        r = job_request_topology(call, &topology, &err);
        if (r >= 0)
                r = accel_pick(&s->accel, kt_json_str(call->parameters, "accel"), &accel, &err);
        if (r >= 0)
                r = qemu_args_check_topology(&topology, accel, &err);
        if (r < 0) {
                call_fail(call, &err);
                return;
        }
        o = json_object_new_object();
        kt_json_add_int(o, "cpus", jobs_capacity_cpus(&s->jobs));
        kt_json_add_int(o, "memory_mib", (int64_t)jobs_memory_mib(&s->jobs));
        call_reply(call, o);
}

static void room(struct call *call)
{
        if (server_when_accel_known(call->server, room_known, call) < 0)
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
}

const struct method methods_job[] = {
        {"io.ktstrd.Job.Submit", submit},
        {"io.ktstrd.Job.Attach", attach, .while_draining = true},
        {"io.ktstrd.Job.Cancel", cancel, .while_draining = true},
        {"io.ktstrd.Job.List", list, .while_draining = true},
        {"io.ktstrd.Job.Show", show, .while_draining = true},
        {"io.ktstrd.Job.Room", room, .while_draining = true},
        {},
};
