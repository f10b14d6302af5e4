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
#include "../../proto/guestmsg.h"
#include "../thresholds.h"
#include "cgroup.h"
#include "map_write.h"
#include "payload.h"
#include "result.h"
#include "topo.h"

#define DURATION_MS 5000
#define WORKERS 2

void body_event(struct ktstr_body *b, const char *event, const char *key, const char *value,
                const char *key2, const char *value2)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "event", event);
        if (key)
                kt_json_add_str(o, key, value);
        if (key2)
                kt_json_add_str(o, key2, value2);
        (void)conversation_say(&b->talk, o);
}

/* From the defaults up to what the agent says, which is what the command line says. */
static int merge_checks(struct ktstr_body *b, const struct ktstr_test *test, struct json_object *first,
                        struct kt_error *reterr)
{
        b->emulated = kt_json_bool(first, "emulated", false);
        b->checks = kt_checks_default(b->emulated);
        if (test && test->scheduler)
                kt_checks_merge(&b->checks, &test->scheduler->checks);
        if (test)
                kt_checks_merge(&b->checks, &test->checks);
        return kt_checks_parse(kt_json_get(first, "checks"), &b->checks, reterr);
}

static int take_first_line(struct ktstr_body *b, struct json_object *first, const struct ktstr_test *test,
                           struct kt_error *reterr)
{
        struct json_object *sched = kt_json_get(first, "sched");
        const char *own = kt_json_str(first, "own_cgroup");
        int64_t format = kt_json_int(first, "format", 0);

        if (format != KT_BODY_FORMAT)
                return kt_error_set(
                        reterr, -EPROTO, NULL,
                        "the test program was built with another version of ktstr (its format is "
                        "%d, the agent's %lld): build it again",
                        KT_BODY_FORMAT, (long long)format);
        b->cgroup_parent = kt_format("%s%s", CGROUP_ROOT, kt_json_str(first, "cgroup") ?: "");
        b->own_cgroup = own ? kt_format("%s%s", CGROUP_ROOT, own) : NULL;
        b->scheduler = sched ? strdup(kt_json_str(sched, "name") ?: "") : NULL;
        if (!b->cgroup_parent || (own && !b->own_cgroup) || (sched && !b->scheduler))
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        b->watchdog_ms = (uint64_t)kt_json_int(first, "watchdog_ms", KT_WATCHDOG_MS);
        b->ctx = (struct ktstr_ctx){
                .test = test,
                .topo = &b->topo,
                .scheduler = b->scheduler,
                .sched_pid = (pid_t)kt_json_int(sched, "pid", 0),
                .duration_ms = (uint64_t)kt_json_int(first, "duration_ms", DURATION_MS),
                .workers = (unsigned)kt_json_int(first, "workers", WORKERS),
                .seed = (uint64_t)kt_json_int(first, "seed", 0),
                .body = b,
        };
        b->random = b->ctx.seed;
        return merge_checks(b, test, first, reterr);
}

/* The workers must not be what the body is: the one that looks after them whatever the scheduler does. */
static void let_workers_be_ordinary(void)
{
        struct sched_param param;
        int policy = sched_getscheduler(0);

        if ((policy == SCHED_FIFO || policy == SCHED_RR) && sched_getparam(0, &param) == 0)
                sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param);
}

/* What it needs to run scenarios. */
static int make_tools(struct ktstr_body *b, struct kt_error *reterr)
{
        int r = topo_read("/sys", &b->topo, reterr);

        if (r < 0)
                return r;
        for (unsigned node = 0; node < b->topo.n_nodes; node++)
                ktstr_cpus_add(&b->all_nodes, node);
        b->sysfs_writer = sysfs_writer_new(&b->talk);
        if (!b->sysfs_writer)
                return kt_error_set(reterr, -errno, NULL, "cannot start a thread that writes to cgroups: %s",
                                    strerror(errno));
        if (gate_init(&b->gate) < 0)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        sysfs_writer_set_patience(
                b->sysfs_writer,
                sysfs_writer_patience_ms(b->ctx.scheduler ? b->watchdog_ms : 0, b->emulated));
        return 0;
}

static int prepare(struct ktstr_body *b, int fd, const struct ktstr_test *test, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *first = NULL;
        int r;

        kt_list_init(&b->groups);
        kt_list_init(&b->payloads);
        b->messages = json_object_new_array();
        b->metrics = json_object_new_array();
        r = conversation_begin(&b->talk, fd, &first, reterr);
        if (r >= 0)
                r = take_first_line(b, first, test, reterr);
        if (r >= 0)
                r = make_tools(b, reterr);
        if (r >= 0 && (!b->messages || !b->metrics))
                r = kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        return r;
}

static void release(struct ktstr_body *b)
{
        kt_workload_done(&b->workload);
        sysfs_writer_free(b->sysfs_writer);
        gate_done(&b->gate);
        topo_done(&b->topo);
        json_object_put(b->messages);
        json_object_put(b->metrics);
        free(b->cgroup_parent);
        free(b->own_cgroup);
        free(b->scheduler);
        conversation_done(&b->talk);
}

static struct json_object *run_test(struct ktstr_body *b, enum ktstr_outcome (*func)(struct ktstr_ctx *ctx))
{
        enum ktstr_outcome returned = map_writes_begin(b) ? func(&b->ctx) : KTSTR_ERROR;

        map_writes_end(b);
        payload_end_all(b, false);
        return result_json(b, returned);
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
                result = run_test(&b, func);
        fflush(NULL);
        r = conversation_say(&b.talk, result);
        if (r < 0)
                fprintf(stderr, "ktstr: cannot send the test's result: %s\n", strerror(-r));
        release(&b);
        return r < 0 ? 1 : 0;
}
