/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "payload.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "../../common/fsutil.h"
#include "cgroup.h"
#include "wait.h"

#define TICK_MS 10
/* Beyond the test's duration, where nothing is said. */
#define TIMEOUT_MS 30000

static void forget(struct ktstr_payload_handle *h)
{
        kt_list_remove(&h->link);
        output_done(&h->out);
        output_done(&h->err);
        kt_closep(&h->failed_fd);
        if (h->pen)
                (void)cgroup_remove(h->b->sysfs_writer, h->pen, NULL);
        free(h->pen);
        free(h->cgroup);
        free(h);
}

static struct ktstr_payload_handle *handle_new(struct ktstr_body *b, const struct ktstr_payload *p,
                                               const char *cgroup)
{
        struct ktstr_payload_handle *h = calloc(1, sizeof(*h));

        if (!h)
                return NULL;
        *h = (struct ktstr_payload_handle){
                .b = b, .p = p, .in_scenario = b->in_scenario, .pid = -1, .failed_fd = -1};
        h->out.watch.fd = h->err.watch.fd = -1;
        kt_list_init(&h->out.watch.link);
        kt_list_init(&h->err.watch.link);
        kt_list_append(&b->payloads, &h->link);
        if (cgroup && !(h->cgroup = strdup(cgroup))) {
                forget(h);
                return NULL;
        }
        return h;
}

/* Kill all of it: who is in its process group (it is not collected yet, so that the number is nobody
 * else's), and whoever has left that and cannot leave its pen. */
static void kill_all_of(struct ktstr_payload_handle *h)
{
        if (h->pid > 0)
                kill(-h->pid, SIGKILL);
        if (h->pen)
                cgroup_kill(h->b->sysfs_writer, h->pen);
}

/* A cgroup without controllers below the body's own: for the kernel's schedulers it is in that still. One
 * that runs in a cgroup of the scenario has none, so that all of it can be moved from there like the others;
 * what it leaves there goes with the cgroup. What the kernel did not come to in time it may do later: that
 * is to be removed too. */
static int make_pen(struct ktstr_payload_handle *h, struct kt_error *reterr)
{
        struct ktstr_body *b = h->b;
        char *pen;
        int r;

        if (h->cgroup || !b->own_cgroup)
                return 0;
        pen = kt_format("%s/payload-%u", b->own_cgroup, ++b->n_pens);
        if (!pen)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        r = cgroup_make(b->sysfs_writer, pen, reterr);
        if (r < 0 && r != -ETIMEDOUT)
                free(pen);
        else
                h->pen = pen;
        return r;
}

int payload_start(struct ktstr_body *b, const struct ktstr_payload *p, const char *cgroup,
                  const char *const *more_args, struct ktstr_payload_handle **ret, struct kt_error *reterr)
{
        struct group *g = cgroup ? group_find(&b->groups, cgroup) : NULL;
        struct ktstr_payload_handle *h;
        int r;

        if (cgroup && !g)
                return kt_error_set(reterr, -ENOENT, NULL, "there is no cgroup '%s' for payload %s", cgroup,
                                    p->name);
        if (payload_find(b, p, cgroup))
                return kt_error_set(reterr, -EEXIST, NULL, "payload %s runs there already", p->name);
        h = handle_new(b, p, cgroup);
        if (!h)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        r = make_pen(h, reterr);
        if (r >= 0)
                r = payload_launch(h, g ? g->dir : h->pen, more_args, reterr);
        if (r < 0) {
                forget(h);
                return r;
        }
        if (ret) {
                h->held = true;
                *ret = h;
        }
        return 0;
}

struct ktstr_payload_handle *payload_find(struct ktstr_body *b, const struct ktstr_payload *p,
                                          const char *cgroup)
{
        kt_list_for_each (it, &b->payloads) {
                struct ktstr_payload_handle *h = kt_list_entry(it, struct ktstr_payload_handle, link);

                if (h->p == p && !h->judged && !h->cgroup == !cgroup &&
                    (!cgroup || strcmp(h->cgroup, cgroup) == 0))
                        return h;
        }
        return NULL;
}

/* True: its first process has ended. What it has left behind ends with it. */
static bool collect(struct ktstr_payload_handle *h)
{
        siginfo_t info = {};

        if (h->collected)
                return true;
        waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid == 0)
                return false;
        kill_all_of(h);
        waitpid(h->pid, &h->wait_status, 0);
        h->pid = -1;
        h->collected = true;
        output_drain(&h->out);
        output_drain(&h->err);
        return true;
}

bool payload_ended(struct ktstr_payload_handle *h)
{
        return collect(h) && !(h->pen && cgroup_event(h->pen, "populated"));
}

/* Until its end or that time; when it is over, it is waited for grace_ms more. */
static bool wait_for_its_end(struct ktstr_payload_handle *h, uint64_t timeout_ms, uint64_t grace_ms)
{
        uint64_t end = wait_deadline_ns(timeout_ms);
        bool over = false;

        while (!payload_ended(h)) {
                if (!over && conversation_over(&h->b->talk)) {
                        const uint64_t last = wait_deadline_ns(grace_ms);

                        over = true;
                        end = last < end ? last : end;
                }
                if (worker_now_ns() >= end)
                        return false;
                conversation_poll(&h->b->talk, TICK_MS);
        }
        return true;
}

/* 0: it was executed, or there is no telling. */
static int exec_errno(const struct ktstr_payload_handle *h)
{
        int code = 0;

        return kt_read_all(h->failed_fd, &code, sizeof(code)) < 0 ? 0 : code;
}

/* That is what it has come to. */
static enum ktstr_outcome settle(struct ktstr_payload_handle *h, bool timed_out, enum ktstr_outcome outcome)
{
        const int status = h->wait_status;

        h->result = (struct ktstr_payload_result){
                .exit_code = h->collected && WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                .exit_signal = h->collected && WIFSIGNALED(status) ? WTERMSIG(status) : -1,
                .timed_out = timed_out,
                .outcome = outcome,
        };
        h->judged = true;
        if (!h->held)
                forget(h);
        return outcome;
}

enum ktstr_outcome payload_take(struct ktstr_payload_handle *h, struct ktstr_payload_result *ret)
{
        const struct ktstr_payload_result result = h->result;

        if (ret)
                *ret = result;
        forget(h);
        return result.outcome;
}

/* Killed, it wants a CPU once more; the kernel's watchdog has its time for that, unless it is over: what was
 * measured goes out then while the body is still there. */
static enum ktstr_outcome bury(struct ktstr_payload_handle *h)
{
        kill_all_of(h);
        if (wait_for_its_end(h, h->b->watchdog_ms, WAIT_GRACE_MS))
                return KTSTR_PASS;
        if (conversation_over(&h->b->talk))
                return KTSTR_INCONCLUSIVE;
        return ktstr_fail(&h->b->ctx, "payload %s was killed %llu s ago and is not dead: nobody lets it run",
                          h->p->name, (unsigned long long)h->b->watchdog_ms / 1000);
}

enum ktstr_outcome payload_end(struct ktstr_payload_handle *h)
{
        /* Whoever it has left behind is killed; how it ended itself is told by it alone. */
        const bool by_itself = collect(h);
        enum ktstr_outcome outcome = payload_ended(h) ? KTSTR_PASS : bury(h);
        int code = h->collected ? exec_errno(h) : 0;

        if (code)
                outcome = ktstr_error(&h->b->ctx, "cannot start payload %s: %s", h->p->name, strerror(code));
        else
                outcome = ktstr_worse(outcome, payload_judge(h, !by_itself));
        return settle(h, false, outcome);
}

enum ktstr_outcome payload_finish(struct ktstr_payload_handle *h, uint64_t timeout_ms)
{
        enum ktstr_outcome outcome;

        if (timeout_ms == 0)
                timeout_ms = h->b->ctx.duration_ms + TIMEOUT_MS;
        /* Of one that did end in time, and whose leftovers are not dead yet, there is something to judge. */
        if (wait_for_its_end(h, timeout_ms, 0) || h->collected || conversation_over(&h->b->talk))
                return payload_end(h);
        outcome = ktstr_fail(&h->b->ctx, "payload %s did not end within %llu ms", h->p->name,
                             (unsigned long long)timeout_ms);
        bury(h);
        return settle(h, true, outcome);
}

enum ktstr_outcome payload_end_going(struct ktstr_body *b)
{
        enum ktstr_outcome worst = KTSTR_PASS;

        kt_list_for_each_safe (it, &b->payloads) {
                struct ktstr_payload_handle *h = kt_list_entry(it, struct ktstr_payload_handle, link);
                const struct group *g = h->cgroup ? group_find(&b->groups, h->cgroup) : NULL;

                if (g && g->going && !h->judged)
                        worst = ktstr_worse(worst, payload_end(h));
        }
        return worst;
}

enum ktstr_outcome payload_end_all(struct ktstr_body *b, bool of_scenario)
{
        enum ktstr_outcome worst = KTSTR_PASS;

        kt_list_for_each_safe (it, &b->payloads) {
                struct ktstr_payload_handle *h = kt_list_entry(it, struct ktstr_payload_handle, link);

                if (!h->judged && (!of_scenario || h->in_scenario))
                        worst = ktstr_worse(worst, payload_end(h));
        }
        return worst;
}

/* --- what authors have --- */

enum ktstr_outcome ktstr_payload_start(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                       const char *cgroup, const char *const *more_args,
                                       struct ktstr_payload_handle **ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (payload_start(body_of(ctx), p, cgroup, more_args, ret, &err) < 0)
                return ktstr_error(ctx, "%s", kt_error_text(&err));
        return KTSTR_PASS;
}

bool ktstr_payload_is_running(const struct ktstr_payload_handle *h)
{
        return !payload_ended((struct ktstr_payload_handle *)h);
}

enum ktstr_outcome ktstr_payload_wait(struct ktstr_ctx *ctx, struct ktstr_payload_handle *h,
                                      uint64_t timeout_ms, struct ktstr_payload_result *ret)
{
        if (!h->judged)
                payload_finish(h, timeout_ms);
        return payload_take(h, ret);
}

enum ktstr_outcome ktstr_payload_kill(struct ktstr_ctx *ctx, struct ktstr_payload_handle *h,
                                      struct ktstr_payload_result *ret)
{
        if (!h->judged)
                payload_end(h);
        return payload_take(h, ret);
}

enum ktstr_outcome ktstr_payload_run(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                     const char *cgroup, const char *const *more_args, uint64_t timeout_ms,
                                     struct ktstr_payload_result *ret)
{
        struct ktstr_payload_handle *h = NULL;
        enum ktstr_outcome outcome = ktstr_payload_start(ctx, p, cgroup, more_args, &h);

        return outcome == KTSTR_PASS ? ktstr_payload_wait(ctx, h, timeout_ms, ret) : outcome;
}
