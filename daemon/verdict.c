/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/errors.h"

const char *verdict_kind_name(enum verdict_kind kind)
{
        static const char *const names[] = {
                [VERDICT_PASS] = "pass",
                [VERDICT_FAIL] = "fail",
                [VERDICT_INCONCLUSIVE] = "inconclusive",
                [VERDICT_SKIP] = "skip",
                [VERDICT_CANCELLED] = "cancelled",
                [VERDICT_ERROR] = "error",
        };

        return names[kind];
}

const char *sched_outcome_name(enum sched_outcome outcome)
{
        static const char *const names[] = {
                [SCHED_STOPPED] = "stopped",   [SCHED_EXITED] = "exited",
                [SCHED_FAILED] = "failed",     [SCHED_KILLED] = "killed",
                [SCHED_EJECTED] = "ejected",   [SCHED_NOT_ATTACHED] = "not_attached",
                [SCHED_RELEASED] = "released", [SCHED_STUCK] = "stuck",
                [SCHED_UNKNOWN] = "unknown",
        };

        return names[outcome];
}

void verdict_init(struct verdict *v)
{
        *v = (struct verdict){
                .kind = VERDICT_ERROR,
                .exit_code = -1,
                .exit_signal = -1,
                .sched = {.outcome = SCHED_UNKNOWN,
                          .attach_ms = -1,
                          .ended_after_ms = -1,
                          .exit_code = -1,
                          .exit_signal = -1},
        };
}

void verdict_done(struct verdict *v)
{
        free(v->reason);
        free(v->error);
        for (size_t i = 0; i < v->n_details; i++)
                free(v->details[i]);
        free(v->details);
        free(v->sched.ops);
        free(v->sched.exit_kind);
        free(v->sched.exit_reason);
        free(v->sched.exit_message);
        free(v->sched.error_text);
        free(v->sched.verifier_log);
        free(v->sched.dump);
        free(v->trace);
        free(v->trace_error);
        free(v->checks);
        body_report_done(&v->body);
        verdict_init(v);
}

void verdict_set(struct verdict *v, enum verdict_kind kind, const char *fmt, ...)
{
        char *reason = NULL;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&reason, fmt, ap) < 0)
                reason = NULL;
        va_end(ap);
        free(v->reason);
        v->reason = reason;
        v->kind = kind;
}

void verdict_set_error(struct verdict *v, const struct kt_error *err)
{
        verdict_set(v, VERDICT_ERROR, "%s", kt_error_text(err));
        free(v->error);
        v->error = strdup(err->name ? err->name : KT_E_INTERNAL);
}

void verdict_add_detail(struct verdict *v, const char *fmt, ...)
{
        char *text = NULL, **grown;
        va_list ap;

        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        grown = text ? realloc(v->details, (v->n_details + 1) * sizeof(char *)) : NULL;
        if (!grown) {
                free(text);
                return;
        }
        v->details = grown;
        v->details[v->n_details++] = text;
}

/* Without a message of the kernel, what the scheduler printed of its end is the next best: it has the
 * kernel's words in parentheses, "EXIT: unregistered from main kernel (cpu 1 going offline, …)". */
static void judge_ejected(struct verdict *v, const char *name)
{
        const struct sched_result *s = &v->sched;
        const char *reason = s->exit_reason ? s->exit_reason : "no reason was given";
        const char *said = s->error_text ? strchr(s->error_text, '(') : NULL;
        const char *close = said ? strpbrk(said, ")\n") : NULL;

        if (s->exit_message)
                verdict_set(v, VERDICT_FAIL, "the kernel threw %s out: %s: %s", name, reason,
                            s->exit_message);
        else if (close && *close == ')')
                verdict_set(v, VERDICT_FAIL, "the kernel threw %s out: %s %.*s", name, reason,
                            (int)(close + 1 - said), said);
        else
                verdict_set(v, VERDICT_FAIL, "the kernel threw %s out: %s", name, reason);
}

bool verdict_judge_scheduler(struct verdict *v, const char *name)
{
        const struct sched_result *s = &v->sched;
        const char *why = s->error_text ? s->error_text : "";
        const char *colon = *why ? ": " : "";

        switch (s->outcome) {
        case SCHED_STOPPED:
                if (s->exit_code > 0)
                        verdict_add_detail(v, "%s exited with status %lld when it was told to stop", name,
                                           (long long)s->exit_code);
                else if (s->exit_signal == SIGKILL)
                        verdict_add_detail(v, "%s did not leave on SIGINT and was killed", name);
                return false;
        case SCHED_EJECTED:
                judge_ejected(v, name);
                return true;
        case SCHED_NOT_ATTACHED:
                if (s->exit_signal >= 0)
                        verdict_set(v, VERDICT_FAIL, "%s never attached, signal %lld killed it%s%s", name,
                                    (long long)s->exit_signal, colon, why);
                else if (s->exit_code >= 0)
                        verdict_set(v, VERDICT_FAIL, "%s never attached, it exited with status %lld%s%s",
                                    name, (long long)s->exit_code, colon, why);
                else
                        verdict_set(v, VERDICT_FAIL, "%s never attached in the time it had%s%s", name, colon,
                                    why);
                return true;
        case SCHED_EXITED:
                verdict_set(v, VERDICT_FAIL, "%s exited cleanly (status 0) before the workload ended%s%s",
                            name, colon, why);
                return true;
        case SCHED_FAILED:
                verdict_set(v, VERDICT_FAIL, "%s exited with status %lld before the workload ended%s%s",
                            name, (long long)s->exit_code, colon, why);
                return true;
        case SCHED_KILLED:
                verdict_set(v, VERDICT_FAIL, "%s was killed by signal %lld (%s) %s%s%s", name,
                            (long long)s->exit_signal, strsignal((int)s->exit_signal),
                            s->stopping ? "while it was being stopped" : "before the workload ended", colon,
                            why);
                return true;
        case SCHED_RELEASED:
                verdict_set(v, VERDICT_FAIL,
                            "%s let go of sched_ext by itself before the workload ended%s%s%s", name,
                            s->exit_code >= 0 || s->exit_signal >= 0 ? ", and did not exit" : "", colon,
                            why);
                return true;
        case SCHED_STUCK:
                verdict_set(v, VERDICT_FAIL,
                            "%s did not let go: sched_ext is not disabled after it was stopped", name);
                return true;
        case SCHED_UNKNOWN:
                verdict_set(v, VERDICT_ERROR, "the guest did not say how %s ended", name);
                return true;
        }
        return false;
}

/* What counts most of what was said and found, and its words. */
struct worst {
        enum ktstr_outcome outcome;
        const char *text;
};

static void worse(struct worst *w, enum ktstr_outcome outcome, const char *text)
{
        if (outcome > w->outcome)
                *w = (struct worst){outcome, text};
}

static struct worst worst_said(const struct body_report *b)
{
        struct worst w = {KTSTR_PASS, NULL};

        for (size_t i = 0; i < b->n_messages; i++)
                worse(&w, b->messages[i].outcome, b->messages[i].text);
        return w;
}

static struct worst worst_found(const struct verdict *v)
{
        static const enum ktstr_outcome outcomes[] = {[KT_PASS] = KTSTR_PASS,
                                                      [KT_SKIP] = KTSTR_PASS,
                                                      [KT_INCONCLUSIVE] = KTSTR_INCONCLUSIVE,
                                                      [KT_FAIL] = KTSTR_FAIL};
        struct worst w = {KTSTR_PASS, NULL};

        for (size_t i = 0; i < v->n_checks; i++)
                worse(&w, outcomes[v->checks[i].outcome], v->checks[i].text);
        return w;
}

static struct worst find_worst(const struct verdict *v)
{
        struct worst said = worst_said(&v->body), found = worst_found(v);

        /* A test that returns what ktstr_run() found has nothing to add to it. */
        if (found.outcome == KTSTR_PASS || v->body.outcome == KTSTR_ERROR)
                worse(&said, v->body.outcome,
                      "the test returned this without a word; ktstr_fail() and its "
                      "like say why");
        worse(&said, found.outcome, found.text);
        return said;
}

static bool workload_had_ended(const struct verdict *v)
{
        const uint64_t stopped = v->body.workload.stopped_ns;

        return stopped > 0 && v->sched.gone_ns > 0 && stopped <= v->sched.gone_ns;
}

const char *verdict_own_failure(const struct verdict *v)
{
        struct worst found = {KTSTR_PASS, NULL};

        if (!v->has_body)
                return NULL;
        for (size_t i = 0; i < v->body.n_messages; i++)
                if (v->body.messages[i].outcome == KTSTR_FAIL)
                        return v->body.messages[i].text;
        if (workload_had_ended(v))
                found = worst_found(v);
        return found.outcome == KTSTR_FAIL ? found.text : NULL;
}

static void judge_pass(struct verdict *v, const char *sched_name)
{
        const char *under = sched_name ? "" : " under EEVDF";

        if (v->body.workload.n_cgroups == 0)
                verdict_set(v, VERDICT_PASS, "%s%sthe test passed%s, no worker ran",
                            sched_name ? sched_name : "", sched_name ? " attached, " : "", under);
        else
                verdict_set(v, VERDICT_PASS, "%s%sthe workload was served%s, %s",
                            sched_name ? sched_name : "", sched_name ? " attached, " : "", under,
                            v->n_checks > 0 ? "all checks passed" : "nothing was checked");
}

void verdict_judge(struct verdict *v, const char *sched_name, bool is_test)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct worst w;
        int line; /* of what was said, the first */

        if (v->has_sched && verdict_judge_scheduler(v, sched_name))
                return;
        /* A scenario that was skipped has none. */
        if (!v->has_body || (!is_test && v->body.outcome == KTSTR_PASS && v->body.workload.n_cgroups == 0)) {
                verdict_set(v, VERDICT_ERROR, "the guest reported no workload");
                return;
        }
        w = find_worst(v);
        line = w.text ? (int)strcspn(w.text, "\n") : 0;
        switch (w.outcome) {
        case KTSTR_ERROR:
                kt_error_set(&err, -EINVAL, KT_E_TEST_PROGRAM, "%.*s", line, w.text);
                verdict_set_error(v, &err);
                break;
        case KTSTR_FAIL:
                verdict_set(v, VERDICT_FAIL, "%.*s", line, w.text);
                break;
        case KTSTR_INCONCLUSIVE:
                verdict_set(v, VERDICT_INCONCLUSIVE, "%.*s", line, w.text);
                break;
        case KTSTR_SKIP:
                verdict_set(v, VERDICT_SKIP, "%.*s", line, w.text);
                break;
        case KTSTR_PASS:
                judge_pass(v, sched_name);
                break;
        }
}
