/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release_fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/list.h"
#include "../common/log.h"
#include "../proto/buildmsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_net.h"

struct waiter {
        struct kt_list link;
        release_fetch_cb done;
        void *userdata;
};

struct release_fetch {
        struct release_fetch_params params;
        uv_timer_t timeout;
        struct process *process; /* NULL: none is under way */
        struct kt_list waiters;
        struct release_list *list; /* what the process said */
        char *why;                 /* of the last failure; NULL after a success */
        uint64_t failed_ms;        /* of the loop */
        bool timed_out, stopping;
};

int release_fetch_new(const struct release_fetch_params *params, struct release_fetch **ret)
{
        struct release_fetch *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->params = *params;
        json_object_get(f->params.net);
        kt_list_init(&f->waiters);
        uv_timer_init(params->loop, &f->timeout);
        f->timeout.data = f;
        *ret = f;
        return 0;
}

void release_fetch_free(struct release_fetch *f)
{
        if (!f)
                return;
        release_list_free(f->list);
        json_object_put(f->params.net);
        free(f->why);
        free(f);
}

/* Each may ask again. */
static void tell_all(struct release_fetch *f)
{
        struct release_list *list = TAKE_PTR(f->list);
        _cleanup_free_ char *why = f->why ? strdup(f->why) : NULL;
        struct kt_list told;

        kt_list_init(&told);
        kt_list_for_each_safe (it, &f->waiters) {
                kt_list_remove(it);
                kt_list_append(&told, it);
        }
        kt_list_for_each_safe (it, &told) {
                struct waiter *w = kt_list_entry(it, struct waiter, link);

                kt_list_remove(it);
                w->done(w->userdata, list, list ? NULL : why ?: "out of memory");
                free(w);
        }
        release_list_free(list);
}

/* Takes why. */
static void note_failure(struct release_fetch *f, char *why)
{
        free(f->why);
        f->why = why;
        f->failed_ms = uv_now(f->params.loop);
}

/* --- what it says --- */

static void take_list(struct release_fetch *f, struct json_object *o)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r;

        release_list_free(TAKE_PTR(f->list));
        if (release_list_parse(o, &f->list, &err) < 0) {
                note_failure(f, strdup(kt_error_text(&err)));
                return;
        }
        free(TAKE_PTR(f->why));
        r = release_list_store(f->params.root, o);
        if (r < 0)
                kt_log_debug("the list of kernel releases cannot be kept in %s: %s", f->params.root,
                             strerror(-r));
}

/* The list stands alone, or as a result. A stage, a note: not of interest here. */
static void on_line(void *userdata, const char *line, size_t size, bool cut)
{
        struct release_fetch *f = userdata;
        _cleanup_json_ struct json_object *o = NULL;
        struct json_object *result, *error;

        if (cut || kt_json_parse(line, size, &o, NULL) < 0 || !json_object_is_type(o, json_type_object))
                return;
        result = kt_json_get(o, "result");
        error = kt_json_get(o, "error");
        if (json_object_is_type(error, json_type_object) && kt_json_str(error, "message"))
                note_failure(f, strdup(kt_json_str(error, "message")));
        else if (json_object_is_type(result, json_type_object))
                take_list(f, result);
        else if (json_object_is_type(kt_json_get(o, "releases"), json_type_array))
                take_list(f, o);
}

static char *describe_exit(const struct process_exit *how)
{
        size_t len = strcspn(how->text, "\n");

        if (how->signal)
                return kt_format(BUILD_PROGRAM " was ended by signal %d", how->signal);
        return len > 0 ? kt_format("%.*s", (int)len, how->text)
                       : kt_format(BUILD_PROGRAM " ended with status %d and without a list", how->status);
}

static void on_exit_(void *userdata, const struct process_exit *how)
{
        struct release_fetch *f = userdata;

        f->process = NULL;
        if (!f->stopping)
                uv_timer_stop(&f->timeout);
        if (f->stopping)
                note_failure(f, strdup("the daemon stops"));
        else if (!f->list && f->timed_out)
                note_failure(f, kt_format("no answer within %u s", RELEASE_FETCH_TIMEOUT_MS / 1000));
        else if (!f->list && !f->why)
                note_failure(f, describe_exit(how));
        tell_all(f);
}

static void on_timeout(uv_timer_t *timer)
{
        struct release_fetch *f = timer->data;

        f->timed_out = true;
        process_kill(f->process, SIGKILL);
}

/* --- the question --- */

static int write_request(struct release_fetch *f)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();

        kt_json_add(o, "net", json_object_get(f->params.net));
        return build_request_file(o);
}

static int start(struct release_fetch *f, struct kt_error *reterr)
{
        char *argv[] = {(char *)f->params.builder, (char *)"releases", (char *)BUILD_REQUEST_INHERITED,
                        NULL};
        _cleanup_close_ int request = write_request(f);
        const struct process_params params = {.exec_helper = f->params.exec_helper,
                                              .argv = argv,
                                              .on_line = on_line,
                                              .line_max = BUILD_LINE_MAX,
                                              .user = f->params.becomes ? &f->params.user : NULL,
                                              .fds = &request,
                                              .n_fds = 1};
        int r;

        if (request < 0)
                return kt_error_set(reterr, request, KT_E_INTERNAL, "cannot make a request: %s",
                                    strerror(-request));
        f->timed_out = false;
        r = process_start(f->params.loop, &params, on_exit_, f, &f->process, reterr);
        if (r >= 0)
                uv_timer_start(&f->timeout, on_timeout, RELEASE_FETCH_TIMEOUT_MS, 0);
        return r;
}

int release_fetch(struct release_fetch *f, release_fetch_cb done, void *userdata)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct waiter *w = calloc(1, sizeof(*w));
        const bool failed_just_now =
                f->why && uv_now(f->params.loop) - f->failed_ms < RELEASE_FETCH_RETRY_MS;

        if (!w)
                return -ENOMEM;
        *w = (struct waiter){.done = done, .userdata = userdata};
        kt_list_append(&f->waiters, &w->link);
        if (f->process)
                return 0;
        if (f->stopping)
                note_failure(f, strdup("the daemon stops"));
        else if (!failed_just_now) {
                free(TAKE_PTR(f->why));
                if (start(f, &err) >= 0)
                        return 0;
                note_failure(f, strdup(kt_error_text(&err)));
        }
        tell_all(f);
        return 0;
}

void release_fetch_stop(struct release_fetch *f)
{
        if (!f || f->stopping)
                return;
        f->stopping = true;
        uv_close((uv_handle_t *)&f->timeout, NULL);
        if (f->process)
                process_kill(f->process, SIGKILL);
}
