/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "../../proto/bodymsg.h"
#include "../../proto/codec.h"
#include "cgroup.h"
#include "result.h"
#include "topo.h"

#define WATCHDOG_MS 40000

void body_event(struct ktstr_body *b, const char *event, const char *key, const char *value)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "event", event);
        if (key)
                kt_json_add_str(o, key, value);
        (void)conversation_say(&b->talk, o);
}

static int take_first_line(struct ktstr_body *b, struct json_object *first, const struct ktstr_test *test,
                           struct kt_error *reterr)
{
        struct json_object *sched = kt_json_get(first, "sched");
        int64_t format = kt_json_int(first, "format", 0);

        if (format != KT_BODY_FORMAT)
                return kt_error_set(
                        reterr, -EPROTO, NULL,
                        "the test program was built with another version of ktstr (its format is "
                        "%d, the agent's %lld): build it again",
                        KT_BODY_FORMAT, (long long)format);
        b->cgroup_parent = kt_format("%s%s", CGROUP_ROOT, kt_json_str(first, "cgroup") ?: "");
        b->watchdog_ms = (uint64_t)kt_json_int(first, "watchdog_ms", WATCHDOG_MS);
        b->emulated = kt_json_bool(first, "emulated", false);
        b->agent_checks = json_object_get(kt_json_get(first, "checks"));
        b->ctx = (struct ktstr_ctx){
                .test = test,
                .topo = &b->topo,
                .sched_pid = (pid_t)kt_json_int(sched, "pid", 0),
                .duration_ms = (uint64_t)kt_json_int(first, "duration_ms", 5000),
                .workers = (unsigned)kt_json_int(first, "workers", 2),
                .seed = (uint64_t)kt_json_int(first, "seed", 0),
                .body = b,
        };
        if (sched) {
                b->scheduler = strdup(kt_json_str(sched, "name") ?: "");
                b->ctx.scheduler = b->scheduler;
        }
        return b->cgroup_parent && (!sched || b->scheduler)
                       ? 0
                       : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
}

/* The workers must not be what the body is: the one that looks after them whatever the scheduler does. */
static void let_workers_be_ordinary(void)
{
        struct sched_param param;
        int policy = sched_getscheduler(0);

        if ((policy == SCHED_FIFO || policy == SCHED_RR) && sched_getparam(0, &param) == 0)
                sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param);
}

static int prepare(struct ktstr_body *b, int fd, const struct ktstr_test *test, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *first = NULL;
        int r;

        kt_list_init(&b->groups);
        b->messages = json_object_new_array();
        b->metrics = json_object_new_array();
        b->scenarios = json_object_new_array();
        r = conversation_begin(&b->talk, fd, &first, reterr);
        if (r >= 0)
                r = take_first_line(b, first, test, reterr);
        if (r >= 0)
                r = topo_read("/sys", &b->topo, reterr);
        if (r >= 0 && (!b->messages || !b->metrics || !b->scenarios || gate_init(&b->gate) < 0))
                r = kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        return r;
}

static void release(struct ktstr_body *b)
{
        kt_list_for_each_safe (it, &b->groups)
                group_free(kt_list_entry(it, struct group, link));
        gate_done(&b->gate);
        topo_done(&b->topo);
        json_object_put(b->messages);
        json_object_put(b->metrics);
        json_object_put(b->scenarios);
        json_object_put(b->agent_checks);
        free(b->cgroup_parent);
        free(b->scheduler);
        conversation_done(&b->talk);
}

int ktstr_body_main(int fd, enum ktstr_outcome (*func)(struct ktstr_ctx *ctx), const struct ktstr_test *test)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct ktstr_body b = {};
        struct json_object *result;
        int r;

        signal(SIGPIPE, SIG_IGN);
        let_workers_be_ordinary();
        if (prepare(&b, fd, test, &err) < 0)
                result = result_of_error(kt_error_text(&err));
        else
                result = result_json(&b, func(&b.ctx));
        fflush(NULL);
        r = conversation_say(&b.talk, result);
        if (r < 0)
                fprintf(stderr, "ktstr: cannot send the test's result: %s\n", strerror(-r));
        release(&b);
        return r < 0 ? 1 : 0;
}
