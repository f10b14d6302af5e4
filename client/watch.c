/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "connect.h"
#include "decode.h"
#include "exit_status.h"
#include "follow.h"
#include "interrupts.h"
#include "live.h"
#include "render.h"

static void write_log(const struct watch *w, struct live *live, struct json_object *event)
{
        const char *stream = kt_json_str(event, "stream");
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        if (decode_log(event, &bytes, &size) < 0)
                return;
        if (w->shell && strcmp(stream, "stdout") == 0)
                (void)kt_write_all(STDOUT_FILENO, bytes, size);
        else if (w->shell && strcmp(stream, "stderr") == 0)
                (void)kt_write_all(STDERR_FILENO, bytes, size);
        else if (w->verbose)
                live_log(live, stream, bytes, size);
}

static int verdict_status(const struct watch *w, struct json_object *verdict)
{
        const char *word = kt_json_str(verdict, "verdict");
        int64_t code = kt_json_int(verdict, "exit_code", -1), sig = kt_json_int(verdict, "exit_signal", -1);
        const int status = exit_status_of_end(word, kt_json_str(verdict, "error"));

        if (w->shell && status == EXIT_STATUS_USAGE)
                fprintf(stderr, "ktstrctl: shell: %s\n", kt_json_str(verdict, "reason"));
        if (!w->shell || status == EXIT_STATUS_USAGE || strcmp(word, "cancelled") == 0)
                return status;
        if (sig >= 0)
                return 128 + (int)sig;
        if (code >= 0)
                return (int)code;
        fprintf(stderr, "ktstrctl: shell: %s\n", kt_json_str(verdict, "reason"));
        return EXIT_STATUS_SHELL_HARNESS;
}

/* One event. True when it was the verdict. */
static bool take_event(const struct watch *w, struct live *live, struct json_object *event, int *ret_status)
{
        const char *kind = kt_json_str(event, "kind");
        struct json_object *verdict = kt_json_get(event, "verdict");

        if (!kind)
                return false;
        if (w->globals->json) {
                puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
                fflush(stdout);
        } else if (strcmp(kind, "log") == 0)
                write_log(w, live, event);
        else if (strcmp(kind, "verdict") != 0)
                live_event(live, event);
        if (!verdict)
                return false;
        live_end(live);
        *ret_status = verdict_status(w, verdict);
        if (!w->globals->json && !w->shell)
                render_verdict(live->out, verdict, w->what, live_colours(live->out));
        return true;
}

/* --- a daemon that goes away --- */

static bool is_gone(const struct kt_error *err)
{
        return err->name && strcmp(err->name, KT_E_SHUTTING_DOWN) == 0;
}

static int tell_failure(const struct watch *w, const char *job, struct kt_error *err)
{
        int status;

        if (job[0] && w->build && is_gone(err))
                kt_error_prefix(
                        err, "job %s goes on when the daemon is back, and `ktstrctl attach %s` follows it",
                        job, job);
        else if (job[0])
                kt_error_prefix(err, "job %s", job);
        status = client_tell(w->verb, err);
        return w->shell && status != EXIT_STATUS_USAGE ? EXIT_STATUS_SHELL_HARNESS : status;
}

/* While no daemon had the build that could have been asked to cancel it. */
static int tell_interrupted(const struct watch *w, const char *job)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EINTR, KT_E_SHUTTING_DOWN, "interrupted before another had taken it up");
        (void)tell_failure(w, job, &err);
        return EXIT_STATUS_CANCELLED;
}

static void on_tick(void *live)
{
        live_tick(live);
}

int watch_job(const struct watch *w, struct rpc *rpc)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct live live;
        sigset_t wait_mask;
        char job[64] = "";
        int handled = 0, status = EXIT_STATUS_HARNESS;
        struct follow follow = {.watch = w};
        bool ended = false, continues = true;

        live_begin(&live, w->on_stderr ? stderr : stdout, w->shell || w->globals->json);
        if (live.terminal && !live.silent) {
                rpc->on_tick = on_tick;
                rpc->tick_data = &live;
                rpc->tick_ms = LIVE_TICK_MS;
        }
        interrupts_catch(&wait_mask);
        rpc->wait_mask = &wait_mask;
        while (!ended && continues) {
                _cleanup_json_ struct json_object *reply = NULL;
                int r = rpc_receive(rpc, &reply, &continues, &err);

                if (interrupts_so_far() > handled) {
                        handled = interrupts_so_far();
                        live_end(&live);
                        if (!w->cancel_on_interrupt)
                                return EXIT_STATUS_CANCELLED;
                        if (follow_waits(&follow))
                                return tell_interrupted(w, job);
                        if (handled > 1 || !job[0]) {
                                /* Hanging up cancels too. */
                                fprintf(stderr, "ktstrctl: %s: cancelled%s%s\n", w->verb->name,
                                        job[0] ? " " : "", job);
                                return EXIT_STATUS_CANCELLED;
                        }
                        fprintf(stderr, "cancelling %s…\n", job);
                        cancel_job(w->globals, job);
                }
                if (r == -EINTR)
                        continue;
                if (r < 0) {
                        live_end(&live);
                        continues = w->build && job[0] && handled == 0 && follow_on(&follow, rpc, job, &err);
                        if (continues)
                                continue;
                        return interrupts_so_far() > handled ? tell_interrupted(w, job)
                                                             : tell_failure(w, job, &err);
                }
                follow_arrived(&follow);
                if (kt_json_str(reply, "job"))
                        snprintf(job, sizeof(job), "%s", kt_json_str(reply, "job"));
                if (kt_json_get(reply, "event"))
                        ended = take_event(w, &live, kt_json_get(reply, "event"), &status);
        }
        return status;
}
