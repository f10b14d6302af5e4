/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../lib/body/body.h"
#include "../proto/bodymsg.h"
#include "../lib/scenario/scenarios.h"
#include "../proto/codec.h"
#include "../proto/guestmsg.h"
#include "hierarchy.h"
#include "orphans.h"
#include "report.h"
#include "setting.h"
#include "subject.h"
#include "talk.h"
#include "trace.h"

#define PAUSE_MAX_MS 128
#define NS_PER_MS 1000000ULL
#define COUNT_MS 100
/* For those that are killed when nothing more is expected of them. */
#define KILL_MS 2000

struct run {
        struct agent *agent;
        struct json_object *spec; /* the JOB's `run`, borrowed */
        const char *test;         /* its name; borrowed */
        const char *program;      /* its path; borrowed, NULL: a scenario of our own */
        const char *parent;       /* of its cgroups; borrowed, NULL: the root */
        unsigned processes_max;   /* of the body; 0: without bound */
        uint64_t counted_ns;      /* when it was asked last whether there are more */
        struct subject subject;
        struct hierarchy hierarchy;
        struct trace trace;
        struct body body;
        struct talk talk;
};

/* --- the end --- */

/* Processes without end take all memory, too: which bound is met first depends on the guest. */
static void explain_memory(const struct run *r, struct kt_error *ret)
{
        const char *killed = r->agent->kmsg.oom;
        const unsigned n = hierarchy_count_caged();

        if (n > 0 && n >= r->processes_max / 2)
                kt_error_set(ret, -ENOMEM, NULL,
                             "test %s started processes without end (%u at a time) until the guest's memory "
                             "ran out (%s)",
                             r->test, n, killed);
        else
                kt_error_set(ret, -ENOMEM, NULL, "the guest's memory ran out (%s): %s", killed,
                             r->program ? "the test needs a larger .memory_mib, or fewer workers"
                                        : "give it more with --memory, or fewer --workers");
}

/* A guest whose memory ran out says nothing about the scheduler, whoever was killed for it. */
static void finish(struct run *r, const char *outcome, const char *error)
{
        _cleanup_(kt_error_done) struct kt_error memory = KT_ERROR_INIT;

        agent_poll(r->agent, 0);
        if (r->agent->kmsg.oom[0]) {
                explain_memory(r, &memory);
                outcome = "out_of_memory";
                error = kt_error_text(&memory);
        }
        /* Where nothing attached there was nothing to end the trace; where memory ran out none is left. */
        if (r->subject.sched.attached && !r->agent->kmsg.oom[0] && !r->agent->cancelled)
                trace_end(&r->trace);
        const struct report report = {
                .outcome = r->agent->cancelled ? "cancelled" : outcome,
                .error = error,
                .subject = subject_is_there(&r->subject) ? &r->subject : NULL,
                .trace = r->trace.text,
                .trace_error = kt_error_isset(&r->trace.error) ? kt_error_text(&r->trace.error) : NULL,
                .body = r->talk.result,
        };

        report_send(r->agent, &report);
}

/* What ended the test, and the scheduler with it. The scheduler's own end, if it had one, comes first: a
 * test that fails under a broken scheduler says nothing of its own. */
static void finish_test(struct run *r, const char *outcome, const char *error)
{
        if (r->subject.state == SUBJECT_ENDED)
                finish(r, r->subject.outcome,
                       kt_error_isset(&r->subject.failure) ? kt_error_text(&r->subject.failure) : NULL);
        else
                finish(r, outcome, error);
}

/* --- what a test leaves --- */

/* At least so long, whatever there is to forward meanwhile. */
static void wait_ms(const struct run *r, int ms)
{
        const uint64_t end = agent_now_ns() + (uint64_t)ms * NS_PER_MS;

        for (uint64_t now = agent_now_ns(); now < end; now = agent_now_ns())
                agent_poll(r->agent, (int)((end - now) / NS_PER_MS) + 1);
}

/* What was killed needs a turn to die. Under a scheduler that stalled at the end of the test it gets none
 * before the kernel's own watchdog has thrown it out: wait for either. False: the scheduler ended meanwhile.
 */
static bool clear_away(struct run *r, uint64_t timeout_ms)
{
        const uint64_t last = agent_now_ns() + timeout_ms * NS_PER_MS;

        hierarchy_kill(&r->hierarchy);
        /* To look for them takes time that they need to die: a thousand, when a test forks without end. */
        for (int pause_ms = 1; !body_kill(&r->body);
             pause_ms = pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : pause_ms) {
                if (!subject_is_well(&r->subject))
                        return false;
                if (r->agent->cancelled || r->agent->kmsg.oom[0] || agent_now_ns() >= last)
                        return true;
                wait_ms(r, pause_ms);
        }
        hierarchy_remove(&r->hierarchy);
        return true;
}

/* --- the test --- */

static bool is_well(void *userdata)
{
        struct run *r = userdata;
        const pid_t own[] = {r->body.pid, r->subject.sched.pid,
                             timeout_override_collect(&r->subject.timeout)};

        /* Those of a test count as its processes until then. */
        orphans_collect(own, KT_ARRAY_SIZE(own));
        if (subject_is_well(&r->subject))
                return true;
        trace_stop(&r->trace);
        return false;
}

static bool was_ejected(void *userdata)
{
        struct run *r = userdata;

        return r->subject.state == SUBJECT_ENDED ? strcmp(r->subject.outcome, "sched_ejected") == 0
                                                 : subject_was_ejected(&r->subject);
}

/* A test whose processes are refused goes on with asking, or fails of it in some way of its own: all are the
 * same to who reads of it. */
static bool has_forked_without_end(void *userdata, struct kt_error *reterr)
{
        struct run *r = userdata;
        const uint64_t now = agent_now_ns();

        if (r->processes_max == 0 || now - r->counted_ns < COUNT_MS * NS_PER_MS)
                return false;
        r->counted_ns = now;
        if (!hierarchy_cage_was_full())
                return false;
        kt_error_set(reterr, -EAGAIN, NULL,
                     "test %s started processes without end (more than %u at a time) and was killed",
                     r->test, r->processes_max);
        return true;
}

static int on_request(void *userdata, enum talk_request what, const char *name, struct json_object *argv,
                      pid_t *ret_pid, struct kt_error *reterr)
{
        struct run *r = userdata;
        struct subject *s = &r->subject;
        int e;

        if (!subject_is_there(s))
                return kt_error_set(reterr, -ENOENT, NULL,
                                    "there is no scheduler under test: it runs under EEVDF");
        /* That one ends now is what was asked for. */
        trace_follow(&r->trace, 0);
        e = what == TALK_SCHED_STOP      ? subject_stop(s, reterr)
            : what == TALK_SCHED_START   ? subject_start(s, reterr)
            : what == TALK_SCHED_RESTART ? subject_restart(s, reterr)
                                         : subject_replace(s, name, argv, reterr);
        *ret_pid = s->state == SUBJECT_RUNNING ? s->sched.pid : 0;
        trace_follow(&r->trace, *ret_pid);
        return e;
}

/* Of a test that is a scenario of our own: what the process that is made for it is to run. */
static const struct ktstr_scenario_entry *scenario;

static int run_scenario(int talk_fd)
{
        return ktstr_body_main(talk_fd, scenario->func, NULL);
}

/* The agent's first line. */
static struct json_object *begin_line(const struct run *r)
{
        static const char *const same[] = {"duration_ms", "workers", "seed", "emulated", "checks"};
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "format", KT_BODY_FORMAT);
        kt_json_add_str(o, "test", r->test);
        for (size_t i = 0; i < KT_ARRAY_SIZE(same); i++)
                if (kt_json_get(r->spec, same[i]))
                        kt_json_add(o, same[i], json_object_get(kt_json_get(r->spec, same[i])));
        kt_json_add_int(o, "watchdog_ms", r->subject.watchdog_ms);
        kt_json_add_str(o, "cgroup", r->parent);
        if (r->body.spec->cgroup_fd > 0)
                kt_json_add_str(o, "own_cgroup", hierarchy_cage());
        if (subject_is_there(&r->subject)) {
                struct json_object *sched = json_object_new_object();

                kt_json_add_str(sched, "name", subject_name(&r->subject));
                if (r->subject.sched.pid > 0)
                        kt_json_add_int(sched, "pid", r->subject.sched.pid);
                kt_json_add(o, "sched", sched);
        }
        return o;
}

/* The scheduler is told to go, and the test's outcome is what it was, unless it does not go well. */
static void end_well(struct run *r, const char *outcome, const char *error)
{
        struct kt_error err = KT_ERROR_INIT;

        if (!clear_away(r, (uint64_t)r->subject.watchdog_ms)) {
                trace_stop(&r->trace);
                subject_settle(&r->subject);
                clear_away(r, KILL_MS);
        } else if (subject_stop(&r->subject, &err) < 0 && r->subject.state != SUBJECT_ENDED) {
                outcome = "setup_failed";
                error = kt_error_text(&err);
        }
        body_done(&r->body);
        finish_test(r, outcome, error);
        kt_error_done(&err);
}

static void end_test(struct run *r, enum talk_end end, struct kt_error *err)
{
        switch (end) {
        case TALK_DONE:
                end_well(r, "done", NULL);
                return;
        case TALK_FAILED:
                /* Since it was asked last. */
                r->counted_ns = 0;
                (void)has_forked_without_end(r, err);
                end_well(r, "body_failed", kt_error_text(err));
                return;
        case TALK_SCHED_GONE:
                subject_settle(&r->subject);
                clear_away(r, KILL_MS);
                body_done(&r->body);
                finish_test(r, "done", NULL);
                return;
        case TALK_CANCELLED:
                clear_away(r, KILL_MS);
                (void)subject_stop(&r->subject, NULL);
                finish(r, "cancelled", NULL);
                return;
        case TALK_MEMORY:
                /* Nothing more can be learnt, and each step takes its time now. */
                finish(r, "out_of_memory", NULL);
                return;
        }
}

static void run_test(struct run *r)
{
        static const struct talk_ops ops = {.is_well = is_well,
                                            .was_ejected = was_ejected,
                                            .has_run_wild = has_forked_without_end,
                                            .request = on_request};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int cage = hierarchy_open_cage(&r->processes_max);
        const struct body_spec spec = {
                .test = r->test,
                .program = r->program,
                .func = run_scenario,
                .cgroup_fd = cage >= 0 ? cage : 0,
        };
        int64_t timeout_ms = kt_json_int(r->spec, "duration_ms", 5000) + r->subject.watchdog_ms + 30000;

        hierarchy_begin(&r->hierarchy, r->parent);
        if (body_start(&r->body, r->agent, &spec, &err) < 0) {
                (void)subject_stop(&r->subject, NULL);
                finish_test(r, "setup_failed", kt_error_text(&err));
                return;
        }
        if (!r->body.realtime)
                agent_event(r->agent, "note",
                            "\"text\":\"this kernel gives the test no real-time priority "
                            "(CONFIG_RT_GROUP_SCHED): a "
                            "scheduler that stalls stops the test too\"");
        r->talk = (struct talk){.body = &r->body,
                                .ops = &ops,
                                .userdata = r,
                                .timeout_ms = (uint64_t)kt_json_int(r->spec, "timeout_ms", timeout_ms)};
        end_test(r, talk_run(&r->talk, begin_line(r), &err), &err);
        talk_done(&r->talk);
}

/* --- the beginning --- */

/* What was declared of the guest, apart from the scheduler. */
static int set_up(struct run *r, struct kt_error *reterr)
{
        int e;

        scenario = ktstr_scenario_find(r->test);
        if (!r->program && !scenario)
                return kt_error_set(reterr, -ENOENT, NULL, "there is no scenario '%s'", r->test);
        e = setting_apply(kt_json_get(r->spec, "sysctls"), "/proc/sys", reterr);

        if (e >= 0 && r->parent)
                e = hierarchy_make_parent(r->parent, reterr);
        return e;
}

/* The trace begins before. */
static int start_subject(struct run *r, struct kt_error *reterr)
{
        struct json_object *functions = kt_json_get(r->spec, "trace_functions");
        int e;

        if (kt_json_bool(r->spec, "trace", false))
                trace_begin(&r->trace, TRACE_FOLDER);
        for (size_t i = 0; functions && i < json_object_array_length(functions); i++)
                trace_probe(&r->trace, json_object_get_string(json_object_array_get_idx(functions, i)));
        e = subject_start(&r->subject, reterr);
        if (e >= 0)
                trace_follow(&r->trace, r->subject.sched.pid);
        return e;
}

void run_job(struct agent *a, struct json_object *job)
{
        struct json_object *spec = kt_json_get(job, "run");
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct run r = {
                .agent = a,
                .spec = spec,
                .test = kt_json_str(kt_json_get(spec, "test"), "name") ?: kt_json_str(spec, "scenario") ?: "",
                .program = kt_json_str(kt_json_get(spec, "test"), "program"),
                .parent = kt_json_str(spec, "cgroup_parent"),
        };

        subject_init(&r.subject, a, kt_json_get(spec, "sched"),
                     (int)kt_json_int(spec, "watchdog_ms", KT_WATCHDOG_MS));
        if (set_up(&r, &err) < 0)
                finish_test(&r, "declaration_failed", kt_error_text(&err));
        else if (start_subject(&r, &err) < 0)
                finish_test(&r, "setup_failed", kt_error_text(&err));
        else
                run_test(&r);
        trace_done(&r.trace);
        hierarchy_done(&r.hierarchy);
        subject_done(&r.subject);
}
