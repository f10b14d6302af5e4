/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scheduler.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "../proto/frame.h"
#include "../proto/guestmsg.h"
#include "spawn.h"

/* The kernel disables a scheduler in a work item and its process then prints a dump: under emulation,
 * seconds. */
#define LAST_WORDS_MS 10000
#define DISABLE_MS 10000
#define POLL_MS 5

static const char path_env[] = "PATH=/ktstr/bin:/bin:/sbin:/usr/bin:/usr/sbin";
static const char library_env[] = "LD_LIBRARY_PATH=" KT_GUEST_LIB_DIR;

static uint64_t ms_since(uint64_t ns)
{
        return (agent_now_ns() - ns) / 1000000;
}

struct program {
        char **argv;
        const struct timeout_override *override; /* of its timeout; NULL: none */
};

/* In the child. What cannot be executed says so in its own output. */
static int run_program(void *data)
{
        const struct program *p = data;
        char *const *argv = p->argv;
        char *const env[] = {(char *)path_env, (char *)library_env, (char *)"HOME=/root", NULL};

        if (p->override && timeout_override_join(p->override) < 0)
                return 127;
        execve(argv[0], argv, env);
        dprintf(STDERR_FILENO, "ktstr-guest: cannot run %s: %s\n", argv[0], strerror(errno));
        return 127;
}

static pid_t start_program(struct agent *a, struct json_object *argv_json, const struct timeout_override *o)
{
        size_t n = json_object_array_length(argv_json);
        _cleanup_free_ char **argv = calloc(n + 1, sizeof(char *));

        if (!argv || n == 0)
                return argv ? -EINVAL : -ENOMEM;
        for (size_t i = 0; i < n; i++)
                argv[i] = (char *)json_object_get_string(json_object_array_get_idx(argv_json, i));
        struct program program = {.argv = argv, .override = o->fd > 0 ? o : NULL};
        const struct spawn s = {.out_id = KT_OUTPUT_SCHED_STDOUT,
                                .err_id = KT_OUTPUT_SCHED_STDERR,
                                .keep_fd = o->fd,
                                .child = run_program,
                                .data = &program};
        return spawn_wait(a, &s);
}

int scheduler_start(struct scheduler *s, struct agent *a, struct json_object *spec,
                    struct timeout_override *o, struct kt_error *reterr)
{
        struct json_object *argv = kt_json_get(spec, "argv");
        char state[SCX_NAME_MAX];
        pid_t pid;
        int r;

        *s = (struct scheduler){.attach_ms = -1, .stop_ms = -1};
        s->attach_timeout_ms = (int)kt_json_int(spec, "attach_timeout_ms", 60000);
        s->stop_timeout_ms = (int)kt_json_int(spec, "stop_timeout_ms", 10000);
        scx_state(state);
        if (strcmp(state, "disabled") != 0)
                return kt_error_set(
                        reterr, -EBUSY, NULL,
                        "sched_ext is '%s' before the scheduler was started; it must be 'disabled'", state);
        kmsg_forget(&a->kmsg);
        s->started_ns = agent_now_ns();
        r = timeout_override_begin(o, reterr);
        if (r < 0)
                return r;
        pid = start_program(a, argv, o);
        timeout_override_end(o);
        if (pid < 0)
                return kt_error_set(reterr, (int)pid, NULL, "cannot start the scheduler: %s",
                                    strerror((int)-pid));
        s->pid = s->reported_pid = pid;
        s->started = true;
        agent_event(a, "sched_started", "\"pid\":%d", (int)pid);
        return 0;
}

/* Collect the process if it has ended. */
static bool has_exited(struct scheduler *s)
{
        if (s->pid > 0 && waitpid(s->pid, &s->wait_status, WNOHANG) == s->pid) {
                s->pid = 0;
                s->exited = true;
        }
        return s->exited;
}

static void note_attached(struct scheduler *s, struct agent *a, const char *ops)
{
        struct json_object *name = json_object_new_string(ops);

        s->attached = true;
        s->attached_ns = agent_now_ns();
        s->attach_ms = (int64_t)ms_since(s->started_ns);
        snprintf(s->ops, sizeof(s->ops), "%s", ops);
        agent_event(a, "sched_attached", "\"ops\":%s,\"took_ms\":%lld",
                    json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN), (long long)s->attach_ms);
        json_object_put(name);
}

bool scheduler_wait_attached(struct scheduler *s, struct agent *a)
{
        char ops[SCX_NAME_MAX];

        while (!a->cancelled && ms_since(s->started_ns) < (uint64_t)s->attach_timeout_ms) {
                agent_poll(a, POLL_MS);
                if (scx_attached(ops)) {
                        note_attached(s, a, ops);
                        return true;
                }
                if (has_exited(s) || a->kmsg.sched.disabled) {
                        /* It may have been attached for less than we look: the kernel's log knows. */
                        agent_poll(a, 0);
                        if (a->kmsg.sched.enabled)
                                note_attached(s, a, a->kmsg.sched.ops);
                        return s->attached;
                }
        }
        return false;
}

void scheduler_note_gone(struct scheduler *s)
{
        if (s->gone_ns == 0)
                s->gone_ns = agent_now_ns();
}

bool scheduler_look(struct scheduler *s, struct agent *a)
{
        char ops[SCX_NAME_MAX];

        if (!has_exited(s) && scx_attached(ops))
                return true;
        scheduler_note_gone(s);
        return false;
}

static bool is_disabled(void)
{
        char state[SCX_NAME_MAX];

        scx_state(state);
        return strcmp(state, "disabled") == 0;
}

/* What the kernel said of its end, if it has. */
static void take_words(struct scheduler *s, const struct kmsg_sched *k)
{
        if (!k->disabled)
                return;
        snprintf(s->reason, sizeof(s->reason), "%s", k->reason);
        snprintf(s->message, sizeof(s->message), "%s", k->message);
        s->ejected = kmsg_ejected(k);
}

void scheduler_settle(struct scheduler *s, struct agent *a, int watchdog_ms)
{
        uint64_t start = agent_now_ns();

        scheduler_note_gone(s);
        while (ms_since(start) < LAST_WORDS_MS &&
               !(has_exited(s) && is_disabled() && (a->kmsg.sched.disabled || !s->attached)))
                agent_poll(a, POLL_MS);
        take_words(s, &a->kmsg.sched);
        if (!s->exited)
                scheduler_stop(s, a, watchdog_ms);
        agent_drain(a, AGENT_SCHEDULERS, 2000);
        take_words(s, &a->kmsg.sched);
        scx_state(s->state_after);
}

/* It shows as detached before the kernel says why, and as disabled when it has said all. */
void scheduler_settle_builtin(struct scheduler *s, struct agent *a)
{
        uint64_t start = agent_now_ns();

        scheduler_note_gone(s);
        while (ms_since(start) < LAST_WORDS_MS && !(is_disabled() && a->kmsg.sched.disabled))
                agent_poll(a, POLL_MS);
        agent_poll(a, 0);
        take_words(s, &a->kmsg.sched);
        scx_state(s->state_after);
}

static bool wait_exit(struct scheduler *s, struct agent *a, int timeout_ms)
{
        uint64_t start = agent_now_ns();

        while (!has_exited(s) && ms_since(start) < (uint64_t)timeout_ms)
                agent_poll(a, POLL_MS);
        return s->exited;
}

/* A wrapper may be gone before its child, the scheduler, which has its time too. */
static void wait_disabled(struct scheduler *s, struct agent *a, int watchdog_ms)
{
        uint64_t start = agent_now_ns();
        bool killed = false;

        while (!is_disabled() && ms_since(start) < (uint64_t)(watchdog_ms + DISABLE_MS)) {
                if (s->exited && !killed && ms_since(start) >= (uint64_t)s->stop_timeout_ms) {
                        kill(-s->reported_pid, SIGKILL);
                        killed = true;
                }
                agent_poll(a, POLL_MS);
        }
}

void scheduler_stop(struct scheduler *s, struct agent *a, int watchdog_ms)
{
        uint64_t start = agent_now_ns();

        if (!s->started)
                return;
        if (!has_exited(s)) {
                agent_event(a, "sched_stopping", NULL);
                s->stop_signal = SIGINT;
                /* To its group, as a terminal's Ctrl-C: it may be a wrapper's child that has attached. */
                kill(-s->pid, SIGINT);
                if (!wait_exit(s, a, s->stop_timeout_ms)) {
                        s->stop_signal = SIGKILL;
                        kill(-s->pid, SIGKILL);
                        /* Dying takes a turn on a CPU, which one that stalled gets when the watchdog has
                         * thrown it out. */
                        wait_exit(s, a, watchdog_ms + DISABLE_MS);
                }
                s->stop_ms = (int64_t)ms_since(start);
        }
        wait_disabled(s, a, watchdog_ms);
        /* What has left a child behind is not waited for. */
        if (s->exited)
                kill(-s->reported_pid, SIGKILL);
        agent_drain(a, AGENT_SCHEDULERS, 2000);
        scx_state(s->state_after);
}
