/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "judge.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../lib/thresholds.h"
#include "../proto/errors.h"
#include "../proto/limits.h"
#include "body_json.h"
#include "job.h"
#include "sched_log.h"
#include "server.h"
#include "stall.h"

#define SCHED_TEXT_MAX (16U * 1024U * 1024U)
#define CLEANUP_TEXT                                                                                        \
        "vm cleanup overran budget: measured %.3fs, budget %.3fs, from the workload's end to the guest's"

void evidence_done(struct evidence *e)
{
        guest_report_done(&e->report);
        kt_error_done(&e->failure);
        delay_log_done(&e->delays);
        free(e->sched_text);
}

void evidence_add_output(struct evidence *e, const char *data, size_t size)
{
        size_t room = e->sched_text_room ?: 4096;

        if (size > SCHED_TEXT_MAX - e->sched_text_size)
                size = SCHED_TEXT_MAX - e->sched_text_size;
        if (size == 0)
                return;
        while (room < e->sched_text_size + size)
                room *= 2;
        /* It comes in small pieces: to grow by each would copy all of it each time. */
        if (room != e->sched_text_room) {
                char *grown = realloc(e->sched_text, room);

                if (!grown)
                        return;
                e->sched_text = grown;
                e->sched_text_room = room;
        }
        memcpy(e->sched_text + e->sched_text_size, data, size);
        e->sched_text_size += size;
}

static void take_string(char **to, char **from)
{
        free(*to);
        *to = TAKE_PTR(*from);
}

static enum sched_outcome sched_outcome_of(const struct guest_report *r)
{
        switch (r->outcome) {
        case REPORT_NOT_ATTACHED:
                return SCHED_NOT_ATTACHED;
        case REPORT_SCHED_EJECTED:
                return SCHED_EJECTED;
        case REPORT_SCHED_EXITED:
                /* Told to go because it had let go, and it was still there. */
                if (r->sched.stop_signal > 0)
                        return SCHED_RELEASED;
                if (r->sched.exit_signal >= 0)
                        return SCHED_KILLED;
                /* A part of the kernel has no process that could end. */
                if (r->sched.exit_code < 0)
                        return SCHED_RELEASED;
                return r->sched.exit_code == 0 ? SCHED_EXITED : SCHED_FAILED;
        case REPORT_DONE:
        case REPORT_BODY_FAILED:
                /* To die of the signal by which it was told to go is fine, to crash on the way
                 * out is not. */
                if (r->sched.exit_signal >= 0 && r->sched.exit_signal != SIGINT &&
                    r->sched.exit_signal != SIGKILL)
                        return SCHED_KILLED;
                return r->sched.state_after && strcmp(r->sched.state_after, "disabled") == 0 ? SCHED_STOPPED
                                                                                             : SCHED_STUCK;
        default:
                return SCHED_UNKNOWN;
        }
}

static void fill_scheduler(struct job *job, struct evidence *e)
{
        struct guest_report *r = &e->report;
        struct sched_result *s = &job->verdict.sched;
        struct sched_log log;

        job->verdict.has_sched = job->spec.sched_name != NULL;
        if (!job->verdict.has_sched)
                return;
        if (job->spec.trace) {
                take_string(&job->verdict.trace, &r->trace);
                take_string(&job->verdict.trace_error, &r->trace_error);
        }
        s->attached = e->have_report ? r->sched.attached : e->attached;
        if (e->have_report) {
                s->outcome = sched_outcome_of(r);
                s->stopping = r->outcome == REPORT_DONE || r->outcome == REPORT_BODY_FAILED;
                s->attach_ms = r->sched.attach_ms;
                s->ended_after_ms = r->sched.ended_after_ms;
                s->gone_ns = r->sched.gone_ns > 0 ? (uint64_t)r->sched.gone_ns : 0;
                s->exit_code = r->sched.exit_code;
                s->exit_signal = r->sched.exit_signal;
                take_string(&s->ops, &r->sched.ops);
                take_string(&s->exit_reason, &r->sched.disabled_reason);
                take_string(&s->exit_message, &r->sched.disabled_message);
                if (s->exit_reason)
                        s->exit_kind = strdup(sched_exit_kind(s->exit_reason));
        }
        sched_log_extract(e->sched_text, e->sched_text_size, &log);
        if (s->outcome != SCHED_STOPPED)
                take_string(&s->error_text, &log.error_text);
        take_string(&s->verifier_log, &log.verifier_log);
        take_string(&s->dump, &log.dump);
        sched_log_done(&log);
}

static bool is_emulated(const struct job *job)
{
        return strcmp(job->guest.accel, "tcg") == 0;
}

static void fill_checks(struct job *job, struct evidence *e)
{
        struct verdict *v = &job->verdict;
        const struct kt_workload *w = &v->body.workload;

        if (w->n_cgroups == 0)
                return;
        if (kt_check_all(w, delay_log_between, &e->delays, &v->checks, &v->n_checks) < 0)
                verdict_add_detail(v, "out of memory while checking");
        v->host = (struct host_delay){
                .known = e->delays.tied && e->delays.n > 0,
                .window_ms = (w->stopped_ns - w->started_ns) / 1000000,
                .run_delay_ms =
                        delay_log_between(&e->delays, KT_DELAY_OF_ALL, w->started_ns, w->stopped_ns) /
                        1000000,
                .worker_delay_ms =
                        delay_log_between(&e->delays, KT_DELAY_OF_ONE, w->started_ns, w->stopped_ns) /
                        1000000,
                .samples = (unsigned)e->delays.n,
        };
}

/* What the body measured is judged once more, with what we know of the host. */
static void fill_body(struct job *job, struct evidence *e)
{
        struct verdict *v = &job->verdict;
        const struct ktstr_checks wide = kt_checks_default(true);
        size_t all, listed;

        v->has_body = e->report.has_body;
        v->body = e->report.body;
        memset(&e->report.body, 0, sizeof(e->report.body));
        fill_checks(job, e);
        listed = body_workers_listed(&v->body, &all);
        if (listed < all)
                verdict_add_detail(v, "of %zu workers, all of which were checked, %zu are listed", all,
                                   listed);
        if (v->n_checks > 0 && is_emulated(job))
                verdict_add_detail(v,
                                   "software emulation (tcg): by default gap and spread are held to %.0f ms "
                                   "and %.0f %%",
                                   wide.max_gap_ms, wide.max_spread_pct);
}

static void judge_exec(struct job *job, struct evidence *e)
{
        struct verdict *v = &job->verdict;

        v->exit_code = e->report.exec_code;
        v->exit_signal = e->report.exec_signal;
        if (v->exit_signal >= 0)
                verdict_set(v, VERDICT_FAIL, "the command was killed by signal %lld",
                            (long long)v->exit_signal);
        else
                verdict_set(v, v->exit_code == 0 ? VERDICT_PASS : VERDICT_FAIL,
                            "the command exited with status %lld", (long long)v->exit_code);
}

/* Who asks for a timeout says how long a task may wait; where nobody did, that is for us to say, and a sound
 * scheduler must not be thrown out for it. A stall that is expected is none to excuse. */
static void excuse_stall(struct job *job, struct evidence *e)
{
        struct verdict *v = &job->verdict;
        const struct sched_result *s = &v->sched;
        const int64_t timeout_ms = e->report.sched.forced_timeout_ms;
        _cleanup_free_ char *why = NULL;

        if (v->kind != VERDICT_FAIL || s->outcome != SCHED_EJECTED || !s->exit_kind ||
            strcmp(s->exit_kind, "error_stall") != 0)
                return;
        if (!job->spec.watchdog.by_default || job->spec.expect.error || timeout_ms <= 0 ||
            timeout_ms > KT_SCX_TIMEOUT_MAX_MS || s->gone_ns == 0 || verdict_own_failure(v))
                return;
        why = stall_excuse(&v->body.workload, &e->delays, s->gone_ns, (uint64_t)timeout_ms);
        if (why)
                verdict_set(v, VERDICT_INCONCLUSIVE, "%s; %s", v->reason ?: "out of memory", why);
}

/* A canned scenario is the harness's own. */
static void judge_body_failed(struct job *job, struct evidence *e)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EIO, job->spec.test_name ? KT_E_TEST_PROGRAM : KT_E_INTERNAL,
                     "%s '%s' failed: %s", job->spec.test_name ? "test" : "scenario",
                     job_spec_title(&job->spec),
                     e->report.error ? e->report.error : "the guest does not say how");
        verdict_set_error(&job->verdict, &err);
}

/* Nothing that happened then says anything about the scheduler. */
static bool judge_setting(struct job *job, const struct evidence *e)
{
        const char *why = e->report.error ?: "it does not say why", *name = KT_E_GUEST_DIED, *prefix = "";
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (e->report.outcome == REPORT_SETUP_FAILED)
                prefix = "the agent in the guest could not do its part: ";
        else if (e->report.outcome != REPORT_OUT_OF_MEMORY && e->report.outcome != REPORT_DECLARATION_FAILED)
                return false;
        else if (job->spec.test_name)
                name = KT_E_TEST_PROGRAM;
        else if (e->report.outcome == REPORT_DECLARATION_FAILED)
                name = KT_E_INVALID_PARAMETER;
        kt_error_set(&err, -EIO, name, "%s%s", prefix, why);
        verdict_set_error(&job->verdict, &err);
        return true;
}

static void judge_report(struct job *job, struct evidence *e)
{
        struct verdict *v = &job->verdict;

        if (judge_setting(job, e))
                return;
        if (e->report.outcome == REPORT_CANCELLED)
                verdict_set(v, VERDICT_CANCELLED, "cancelled");
        else if (job->spec.kind == JOB_EXEC)
                judge_exec(job, e);
        else {
                fill_body(job, e);
                if (e->report.outcome != REPORT_BODY_FAILED)
                        verdict_judge(v, job->spec.sched_name, job->spec.test_name != NULL);
                else if (!v->has_sched || !verdict_judge_scheduler(v, job->spec.sched_name))
                        judge_body_failed(job, e);
                excuse_stall(job, e);
        }
}

/* Has the agent had the workload's time and that of the kernel's watchdog, and said nothing? Before that it
 * is only we who did not wait. */
static bool overdue(const struct job *job, const struct evidence *e)
{
        return e->workload_ms > 0 &&
               uv_now(&job->server->loop) - e->workload_ms >=
                       job->spec.duration_ms + job_spec_watchdog_ms(&job->spec, is_emulated(job));
}

/* The guest is gone without a word. With a scheduler attached that is the scheduler's doing until shown
 * otherwise. */
static void judge_silence(struct job *job, struct evidence *e, enum guest_end end,
                          const struct kt_error *err)
{
        struct verdict *v = &job->verdict;
        struct kt_error late = KT_ERROR_INIT;

        if (e->timed_out && e->attached && overdue(job, e))
                verdict_set(v, VERDICT_FAIL, "with %s attached the guest came to no end within %llu ms",
                            job->spec.sched_name, (unsigned long long)job->spec.timeout_ms);
        else if (e->timed_out) {
                kt_error_set(&late, -ETIMEDOUT, KT_E_TIMEOUT,
                             "the job came to no end within %llu ms; give it more with --timeout",
                             (unsigned long long)job->spec.timeout_ms);
                verdict_set_error(v, &late);
                kt_error_done(&late);
        } else if (kt_error_isset(&e->failure))
                verdict_set_error(v, &e->failure);
        else if (end == GUEST_END_CRASHED && e->attached)
                verdict_set(v, VERDICT_FAIL, "with %s attached %s", job->spec.sched_name,
                            kt_error_text(err));
        else if (err && kt_error_isset(err))
                verdict_set_error(v, err);
        else {
                kt_error_set(&late, -EIO, KT_E_GUEST_DIED, "the guest powered off without a result");
                verdict_set_error(v, &late);
                kt_error_done(&late);
        }
}

void judge(struct job *job, struct evidence *e, enum guest_end end, const struct kt_error *err,
           const char *console)
{
        fill_scheduler(job, e);
        if (job->cancelled)
                verdict_set(&job->verdict, VERDICT_CANCELLED, "cancelled");
        else if (e->have_report)
                judge_report(job, e);
        else {
                judge_silence(job, e, end, err);
                if (console && *console)
                        verdict_add_detail(&job->verdict, "last lines of the guest's console:\n%s", console);
        }
}

char *judge_kernel_words(const struct verdict *v)
{
        const char *reason = v->sched.exit_reason, *message = v->sched.exit_message;

        return kt_format("%s%s%s", reason ? reason : "", reason && message ? "\n" : "",
                         message ? message : "");
}

/* A guest that has its result and does not end holds its place. */
static void judge_cleanup(struct job *job, const struct evidence *e)
{
        const double budget = (double)job->spec.cleanup_budget_ms / 1000;
        struct verdict *v = &job->verdict;
        double measured;

        if (budget <= 0 || !e->have_report || e->workload_end_ns == 0)
                return;
        measured = (double)(e->result_ns - e->workload_end_ns) / 1e9;
        if (measured <= budget)
                return;
        if (v->kind == VERDICT_PASS || v->kind == VERDICT_SKIP || v->kind == VERDICT_INCONCLUSIVE)
                verdict_set(v, VERDICT_FAIL, CLEANUP_TEXT, measured, budget);
        else
                verdict_add_detail(v, CLEANUP_TEXT, measured, budget);
}

void judge_settle(struct job *job, const struct evidence *e, const struct expect_search *search)
{
        if (job->cancelled)
                verdict_set(&job->verdict, VERDICT_CANCELLED, "cancelled");
        else
                expect_judge(&job->spec.expect, search, &job->verdict, job->spec.sched_name);
        judge_cleanup(job, e);
}
