/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Shell */
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "job.h"
#include "job_request.h"
#include "queue.h"
#include "server.h"
#include "subscription.h"

static void open_shell(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(job_spec_done) struct job_spec spec = {};
        struct job *job;

        if (!call->more) {
                call_fail_text(call, KT_E_EXPECTED_MORE, "Open streams and needs `more`");
                return;
        }
        if (!call->server->config->busybox_path) {
                call_fail_text(call, KT_E_INTERNAL,
                               "no static busybox is known, so guests have no /bin/sh; install "
                               "busybox-static and start ktstrd again");
                return;
        }
        if (job_request_exec(call, &spec, &err) < 0 ||
            jobs_submit(&call->server->jobs, &spec, &job, &err) < 0) {
                call_fail(call, &err);
                return;
        }
        subscription_start(call, job, 0, true);
        jobs_pump(&job->server->jobs); /* the call may be gone by now */
}

const struct method methods_shell[] = {
        {"io.ktstrd.Shell.Open", open_shell},
        {},
};
