/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subject.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../proto/codec.h"
#include "../proto/guestmsg.h"
#include "command.h"

/* A command that sets knobs takes no time; one that starts a service may. */
#define COMMAND_TIMEOUT_MS 60000

void subject_init(struct subject *s, struct agent *a, struct json_object *spec, int watchdog_ms)
{
        *s = (struct subject){.agent = a, .spec = json_object_get(spec), .watchdog_ms = watchdog_ms};
        timeout_override_init(&s->timeout, kt_json_get(spec, "watchdog"));
}

void subject_done(struct subject *s)
{
        timeout_override_done(&s->timeout);
        json_object_put(s->spec);
        kt_error_done(&s->failure);
        *s = (struct subject){};
}

const char *subject_name(const struct subject *s)
{
        return s->spec ? kt_json_str(s->spec, "name") ?: "the scheduler" : "EEVDF";
}

/* Is it a program? Else it is part of the kernel. */
static bool is_program(const struct subject *s)
{
        return kt_json_get(s->spec, "argv") != NULL;
}

static int end(struct subject *s, const char *outcome)
{
        s->state = SUBJECT_ENDED;
        s->outcome = outcome;
        return -ECHILD;
}

/* It has ended, and this is why: another's doing. Takes the failure. */
static int fail(struct subject *s, const char *outcome, struct kt_error *failure, struct kt_error *reterr)
{
        kt_error_set(reterr, -ECHILD, NULL, "%s", kt_error_text(failure));
        kt_error_done(&s->failure);
        s->failure = *failure;
        *failure = (struct kt_error)KT_ERROR_INIT;
        return end(s, outcome);
}

/* What was declared cannot be had, and this is the word for who declared it. Takes the failure. */
static int refuse(struct subject *s, struct kt_error *failure, struct kt_error *reterr)
{
        return fail(s, "declaration_failed", failure, reterr);
}

/* Without what watches over its timeout the kernel refuses it calls: what it does then says nothing of it.
 */
static bool has_lost_supervisor(struct subject *s, struct kt_error *ret)
{
        if (!timeout_override_is_lost(&s->timeout, ret))
                return false;
        kt_error_prefix(ret, "%s", subject_name(s));
        return true;
}

/* It went by itself, or never came; unless it could not do otherwise. */
static int end_by_itself(struct subject *s, const char *outcome, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error why = KT_ERROR_INIT;

        return has_lost_supervisor(s, &why) ? fail(s, "setup_failed", &why, reterr) : end(s, outcome);
}

/* --- its timeout --- */

static void tell(struct subject *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct subject *s, const char *fmt, ...)
{
        char text[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        struct json_object *quoted = json_object_new_string(text);
        agent_event(s->agent, "note", "\"text\":%s",
                    json_object_to_json_string_ext(quoted, JSON_C_TO_STRING_PLAIN));
        json_object_put(quoted);
}

/* One that only bounds it, where nobody said anything, is no condition of the test; one that was declared
 * is. */
static int miss_timeout(struct subject *s, struct kt_error *why, struct kt_error *reterr)
{
        const struct timeout_override *o = &s->timeout;

        if (!o->at_most) {
                kt_error_prefix(why, "the watchdog timeout of %s cannot be made %u ms", subject_name(s),
                                o->timeout_ms);
                (void)subject_stop(s, NULL);
                return refuse(s, why, reterr);
        }
        s->watchdog_ms = KT_WATCHDOG_MS;
        if (!s->told_why_not)
                tell(s, "the watchdog timeout is the scheduler's own, which may be more than %u ms: %s",
                     o->timeout_ms, kt_error_text(why));
        s->told_why_not = true;
        return 0;
}

/* It runs: what has become of its timeout? */
static int judge_timeout(struct subject *s, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error why = KT_ERROR_INIT;
        const struct timeout_override *o = &s->timeout;
        uint32_t own_ms = 0;
        int r;

        s->forced_timeout_ms = 0;
        if (has_lost_supervisor(s, &why)) {
                (void)subject_stop(s, NULL);
                return fail(s, "setup_failed", &why, reterr);
        }
        if (!s->sched.attached) {
                if (o->timeout_ms > 0 && !o->at_most)
                        tell(s, "%s attached nothing to sched_ext, whose watchdog timeout would be %u ms",
                             subject_name(s), o->timeout_ms);
                return 0;
        }
        r = timeout_override_result(o, &own_ms, &why);
        if (r > 0)
                s->forced_timeout_ms = o->timeout_ms;
        if (r > 0 && own_ms != s->told_own_ms) {
                tell(s, "watchdog timeout %u ms instead of the scheduler's %u ms", o->timeout_ms, own_ms);
                s->told_own_ms = own_ms;
        }
        return r < 0 ? miss_timeout(s, &why, reterr) : 0;
}

/* --- one that is part of the kernel --- */

/* "enable" or "disable": all its commands, in their order, up to one that fails; o as of command_run(). */
static int run_commands(struct subject *s, const char *which, struct timeout_override *o,
                        struct kt_error *reterr)
{
        struct json_object *list = kt_json_get(s->spec, which);
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                const char *command = json_object_get_string(json_object_array_get_idx(list, i));
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT, lost = KT_ERROR_INIT;
                int r = command_run(s->agent, command, COMMAND_TIMEOUT_MS, o, &err);

                if (r >= 0)
                        continue;
                if (o && has_lost_supervisor(s, &lost))
                        return fail(s, "setup_failed", &lost, reterr);
                kt_error_prefix(&err, "cannot %s %s", which, subject_name(s));
                if (r == -EIO || r == -ETIMEDOUT)
                        return refuse(s, &err, reterr);
                return kt_error_set(reterr, r, NULL, "%s", kt_error_text(&err));
        }
        return 0;
}

/* Its knobs may be EEVDF's; if it is one of sched_ext, that shows. */
static int enable(struct subject *s, struct kt_error *reterr)
{
        char ops[SCX_NAME_MAX];
        int r;

        kmsg_forget(&s->agent->kmsg);
        s->sched = (struct scheduler){.attach_ms = -1, .stop_ms = -1};
        r = run_commands(s, "enable", &s->timeout, reterr);
        if (r < 0)
                return r;
        agent_poll(s->agent, 0);
        s->sched.attached = scx_attached(ops);
        if (s->sched.attached) {
                s->sched.attached_ns = agent_now_ns();
                snprintf(s->sched.ops, sizeof(s->sched.ops), "%s", ops);
        }
        s->state = SUBJECT_RUNNING;
        return judge_timeout(s, reterr);
}

static int disable(struct subject *s, struct kt_error *reterr)
{
        int r = run_commands(s, "disable", NULL, reterr);

        agent_poll(s->agent, 0);
        if (r < 0)
                return r;
        scx_state(s->sched.state_after);
        s->state = SUBJECT_DETACHED;
        return 0;
}

/* --- one that is a program --- */

static int not_attached(struct subject *s, struct kt_error *reterr)
{
        struct scheduler *p = &s->sched;

        if (p->exited || s->agent->kmsg.sched.disabled)
                scheduler_settle(p, s->agent, s->watchdog_ms);
        else
                scheduler_stop(p, s->agent, s->watchdog_ms);
        kt_error_set(reterr, -ECHILD, NULL, "%s did not attach", subject_name(s));
        return end_by_itself(s, "not_attached", reterr);
}

static int start_program(struct subject *s, struct kt_error *reterr)
{
        int r = scheduler_start(&s->sched, s->agent, s->spec, &s->timeout, reterr);

        if (r < 0)
                return r;
        if (!scheduler_wait_attached(&s->sched, s->agent))
                return not_attached(s, reterr);
        s->state = SUBJECT_RUNNING;
        return judge_timeout(s, reterr);
}

/* It went because we told it to; but how? */
static int judge_stop(struct subject *s, struct kt_error *reterr)
{
        const struct scheduler *p = &s->sched;
        const int signal = p->exited && WIFSIGNALED(p->wait_status) ? WTERMSIG(p->wait_status) : 0;

        s->state = SUBJECT_DETACHED;
        /* It may have been thrown out in the very moment of its end. */
        agent_poll(s->agent, 0);
        if (kmsg_ejected(&s->agent->kmsg.sched)) {
                scheduler_settle(&s->sched, s->agent, s->watchdog_ms);
                kt_error_set(reterr, -ECHILD, NULL, "the kernel threw %s out while it was being stopped",
                             subject_name(s));
                return end(s, s->sched.ejected ? "sched_ejected" : "sched_exited");
        }
        if (signal != 0 && signal != SIGINT && signal != SIGKILL) {
                kt_error_set(reterr, -ECHILD, NULL,
                             "%s was killed by signal %d (%s) while it was being stopped", subject_name(s),
                             signal, strsignal(signal));
                return end(s, "done");
        }
        if (strcmp(p->state_after, "disabled") != 0) {
                kt_error_set(reterr, -ECHILD, NULL, "%s did not let go: sched_ext is '%s'", subject_name(s),
                             p->state_after);
                return end(s, "done");
        }
        return 0;
}

static int stop_program(struct subject *s, struct kt_error *reterr)
{
        scheduler_stop(&s->sched, s->agent, s->watchdog_ms);
        return judge_stop(s, reterr);
}

/* --- either --- */

int subject_start(struct subject *s, struct kt_error *reterr)
{
        if (!s->spec || s->state == SUBJECT_RUNNING)
                return 0;
        timeout_override_forget(&s->timeout);
        return is_program(s) ? start_program(s, reterr) : enable(s, reterr);
}

bool subject_is_well(struct subject *s)
{
        char ops[SCX_NAME_MAX];

        if (s->state != SUBJECT_RUNNING)
                return s->state != SUBJECT_ENDED;
        if (is_program(s))
                return scheduler_look(&s->sched, s->agent);
        if (!s->sched.attached || scx_attached(ops))
                return true;
        scheduler_note_gone(&s->sched);
        return false;
}

bool subject_was_ejected(const struct subject *s)
{
        return kmsg_ejected(&s->agent->kmsg.sched);
}

void subject_settle(struct subject *s)
{
        if (s->state != SUBJECT_RUNNING)
                return;
        if (is_program(s))
                scheduler_settle(&s->sched, s->agent, s->watchdog_ms);
        else
                scheduler_settle_builtin(&s->sched, s->agent);
        if (s->sched.ejected)
                end(s, "sched_ejected");
        else
                end_by_itself(s, "sched_exited", NULL);
}

int subject_stop(struct subject *s, struct kt_error *reterr)
{
        if (s->state != SUBJECT_RUNNING)
                return 0;
        return is_program(s) ? stop_program(s, reterr) : disable(s, reterr);
}

int subject_restart(struct subject *s, struct kt_error *reterr)
{
        int r = subject_stop(s, reterr);

        return r < 0 ? r : subject_start(s, reterr);
}

/* What it does not say is as it was: how long it may take to attach and to stop. */
static struct json_object *spec_for(const struct subject *s, const char *name, struct json_object *argv)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "name", name);
        kt_json_add(o, "argv", json_object_get(argv));
        kt_json_add_int(o, "attach_timeout_ms", kt_json_int(s->spec, "attach_timeout_ms", 60000));
        kt_json_add_int(o, "stop_timeout_ms", kt_json_int(s->spec, "stop_timeout_ms", 10000));
        return o;
}

int subject_replace(struct subject *s, const char *name, struct json_object *argv, struct kt_error *reterr)
{
        int r = subject_stop(s, reterr);

        if (r < 0)
                return r;
        struct json_object *spec = spec_for(s, name, argv);
        json_object_put(s->spec);
        s->spec = spec;
        return subject_start(s, reterr);
}
