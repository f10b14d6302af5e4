/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp.h"

#include <errno.h>
#include <string.h>

#include "../common/list.h"
#include "../proto/codec.h"

enum qmp_state {
        QMP_GREETING,
        QMP_READY,
        QMP_FAILED,
        QMP_CLOSING,
};

struct qmp {
        uv_pipe_t pipe;
        uv_timer_t timer; /* runs until the nearest deadline of what is pending */
        unsigned open_handles;
        enum qmp_state state;
        bool started; /* qmp_start() succeeded, so on_closed is owed */
        char version[32];
        uint64_t greeting_deadline_ms;
        uint64_t last_id;
        struct kt_list commands;
        struct kt_wire_decoder *decoder;
        const struct qmp_ops *ops;
        void *userdata;
};

struct command {
        struct kt_list link;
        uint64_t id, deadline_ms;
        char *name;
        qmp_reply_cb cb;
        void *data;
};

struct write {
        uv_write_t request;
        char *text;
};

static void arm_timer(struct qmp *q);

static bool is_open(const struct qmp *q)
{
        return q->state == QMP_GREETING || q->state == QMP_READY;
}

/* The one outcome of a command; it is freed. */
static void settle(struct command *c, struct json_object *answer, const struct kt_error *err)
{
        kt_list_remove(&c->link);
        if (c->cb)
                c->cb(c->data, answer, err);
        free(c->name);
        free(c);
}

static void settle_all(struct qmp *q, const struct kt_error *err)
{
        while (!kt_list_empty(&q->commands))
                settle(kt_list_entry(q->commands.next, struct command, link), NULL, err);
}

/* May run qmp_stop() in a callback; takes err's content. */
static void fail(struct qmp *q, struct kt_error *err)
{
        if (is_open(q)) {
                q->state = QMP_FAILED;
                uv_read_stop((uv_stream_t *)&q->pipe);
                uv_timer_stop(&q->timer);
                settle_all(q, err);
                if (q->state == QMP_FAILED)
                        q->ops->on_failed(q->userdata, err);
        }
        kt_error_done(err);
}

/* --- time --- */

static uint64_t nearest_deadline(const struct qmp *q)
{
        uint64_t nearest = q->state == QMP_GREETING ? q->greeting_deadline_ms : UINT64_MAX;

        kt_list_for_each (l, &q->commands) {
                const struct command *c = kt_list_entry(l, struct command, link);

                if (c->deadline_ms < nearest)
                        nearest = c->deadline_ms;
        }
        return nearest;
}

static const char *late_command(const struct qmp *q, uint64_t now_ms)
{
        kt_list_for_each (l, &q->commands) {
                const struct command *c = kt_list_entry(l, struct command, link);

                if (c->deadline_ms <= now_ms)
                        return c->name;
        }
        return NULL;
}

static void on_timer(uv_timer_t *timer)
{
        struct qmp *q = timer->data;
        struct kt_error err = KT_ERROR_INIT;
        const char *late;

        if (!is_open(q))
                return;
        if (uv_now(timer->loop) < nearest_deadline(q)) {
                arm_timer(q);
                return;
        }
        late = late_command(q, uv_now(timer->loop));
        kt_error_set(&err, -ETIMEDOUT, NULL, "QEMU does not answer %s", late ?: "on its control socket");
        fail(q, &err);
}

static void arm_timer(struct qmp *q)
{
        const uint64_t deadline = nearest_deadline(q), now = uv_now(q->timer.loop);

        if (deadline == UINT64_MAX)
                uv_timer_stop(&q->timer);
        else
                uv_timer_start(&q->timer, on_timer, deadline > now ? deadline - now : 0, 0);
}

/* --- out --- */

static void on_written(uv_write_t *request, int status)
{
        struct write *w = kt_container_of(request, struct write, request);
        struct qmp *q = request->handle->data;
        struct kt_error err = KT_ERROR_INIT;

        free(w->text);
        free(w);
        if (status < 0 && is_open(q)) {
                kt_error_set(&err, -EPIPE, NULL, "QEMU closed its control socket: %s", uv_strerror(status));
                fail(q, &err);
        }
}

/* Takes message. */
static int send_message(struct qmp *q, struct json_object *message)
{
        struct write *w = calloc(1, sizeof(*w));
        size_t size;
        uv_buf_t buf;
        int r;

        r = w ? kt_wire_encode(message, '\n', &w->text, &size) : -ENOMEM;
        json_object_put(message);
        if (r < 0) {
                free(w);
                return r;
        }
        buf = uv_buf_init(w->text, (unsigned)size);
        r = uv_write(&w->request, (uv_stream_t *)&q->pipe, &buf, 1, on_written);
        if (r < 0) {
                free(w->text);
                free(w);
        }
        return r;
}

static struct command *command_new(struct qmp *q, const char *name, unsigned timeout_ms, qmp_reply_cb cb,
                                   void *data)
{
        struct command *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (struct command){
                .id = ++q->last_id,
                .deadline_ms = uv_now(q->timer.loop) + timeout_ms,
                .name = strdup(name),
                .cb = cb,
                .data = data,
        };
        kt_list_init(&c->link);
        if (!c->name) {
                free(c);
                return NULL;
        }
        return c;
}

/* {"execute": command, "arguments": …, "id": N}; arguments taken. */
static struct json_object *make_message(const struct command *c, struct json_object *arguments)
{
        _cleanup_json_ struct json_object *message = json_object_new_object();

        if (!message) {
                json_object_put(arguments);
                return NULL;
        }
        if ((arguments && kt_json_add(message, "arguments", arguments) < 0) ||
            kt_json_add_str(message, "execute", c->name) < 0 ||
            kt_json_add_int(message, "id", (int64_t)c->id) < 0)
                return NULL;
        return TAKE_PTR(message);
}

int qmp_execute(struct qmp *q, const char *command, struct json_object *arguments, unsigned timeout_ms,
                qmp_reply_cb cb, void *data)
{
        struct json_object *message;
        struct command *c;
        int r;

        if (!is_open(q)) {
                json_object_put(arguments);
                return -EPIPE;
        }
        c = command_new(q, command, timeout_ms, cb, data);
        if (!c) {
                json_object_put(arguments);
                return -ENOMEM;
        }
        message = make_message(c, arguments);
        r = message ? send_message(q, message) : -ENOMEM;
        if (r < 0) {
                free(c->name);
                free(c);
                return r;
        }
        kt_list_append(&q->commands, &c->link);
        arm_timer(q);
        return 0;
}

/* --- in --- */

static struct json_object *member(struct json_object *object, const char *name, json_type type)
{
        struct json_object *value = kt_json_get(object, name);

        return json_object_is_type(value, type) ? value : NULL;
}

static int not_qmp(struct kt_error *reterr, const char *what)
{
        return kt_error_set(reterr, -EBADMSG, NULL, "QEMU's control socket does not speak QMP: %s", what);
}

static void on_capabilities(void *data, struct json_object *answer, const struct kt_error *err)
{
        struct qmp *q = data;
        struct kt_error failure = KT_ERROR_INIT;

        if (!is_open(q))
                return;
        if (err) {
                kt_error_set(&failure, err->num, NULL, "%s", kt_error_text(err));
                fail(q, &failure);
                return;
        }
        q->state = QMP_READY;
        q->ops->on_ready(q->userdata, q->version);
}

static int take_greeting(struct qmp *q, struct json_object *json, struct kt_error *reterr)
{
        struct json_object *qmp = member(json, "QMP", json_type_object);
        struct json_object *version =
                member(member(qmp, "version", json_type_object), "qemu", json_type_object);
        int64_t left_ms = (int64_t)(q->greeting_deadline_ms - uv_now(q->timer.loop));
        int r;

        if (!version || *q->version)
                return not_qmp(reterr, "an unexpected greeting");
        snprintf(q->version, sizeof(q->version), "%d.%d.%d",
                 json_object_get_int(member(version, "major", json_type_int)),
                 json_object_get_int(member(version, "minor", json_type_int)),
                 json_object_get_int(member(version, "micro", json_type_int)));
        r = qmp_execute(q, "qmp_capabilities", NULL, left_ms > 0 ? (unsigned)left_ms : 0, on_capabilities,
                        q);
        return r < 0 ? kt_error_set(reterr, r, NULL, "cannot talk to QEMU: %s", uv_strerror(r)) : 0;
}

static struct command *find_command(struct qmp *q, struct json_object *json)
{
        struct json_object *id = member(json, "id", json_type_int);

        kt_list_for_each (l, &q->commands) {
                struct command *c = kt_list_entry(l, struct command, link);

                if (id && json_object_get_int64(id) == (int64_t)c->id)
                        return c;
        }
        return NULL;
}

/* The only part of a message whose callbacks may stop the client: nothing touches q's protocol state after
 * them. */
static int take_answer(struct qmp *q, struct json_object *json, struct kt_error *reterr)
{
        struct json_object *error = member(json, "error", json_type_object), *answer = NULL;
        struct command *c = find_command(q, json);
        struct kt_error refusal = KT_ERROR_INIT;

        if (!c)
                return not_qmp(reterr, "an answer to no question");
        if (!error && !json_object_object_get_ex(json, "return", &answer))
                return not_qmp(reterr, "an answer that is none");
        if (error) {
                struct json_object *text = member(error, "desc", json_type_string);

                kt_error_set(&refusal, -EREMOTEIO, NULL, "QEMU refused %s: %s", c->name,
                             text ? json_object_get_string(text) : "it does not say why");
        }
        settle(c, answer, error ? &refusal : NULL);
        kt_error_done(&refusal);
        if (is_open(q))
                arm_timer(q);
        return 0;
}

static int take_message(struct qmp *q, struct json_object *json, struct kt_error *reterr)
{
        struct json_object *event;

        if (!json_object_is_type(json, json_type_object))
                return not_qmp(reterr, "a message that is no object");
        if (q->state == QMP_GREETING && !*q->version)
                return take_greeting(q, json, reterr);
        event = member(json, "event", json_type_string);
        if (event) {
                q->ops->on_event(q->userdata, json_object_get_string(event),
                                 member(json, "data", json_type_object));
                return 0;
        }
        return take_answer(q, json, reterr);
}

static void take_messages(struct qmp *q)
{
        while (is_open(q)) {
                struct kt_error err = KT_ERROR_INIT, detail = KT_ERROR_INIT;
                struct kt_wire_message message;
                int r;

                r = kt_wire_decoder_next(q->decoder, &message, &detail);
                if (r == 0)
                        return;
                if (r > 0) {
                        r = take_message(q, message.json, &err);
                        json_object_put(message.json);
                } else {
                        not_qmp(&err, kt_error_text(&detail));
                        kt_error_done(&detail);
                }
                if (r < 0)
                        fail(q, &err);
        }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        /* What is read is taken before anything else is: one serves all that live on a thread. */
        static _Thread_local char buffer[16384];

        *ret = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct qmp *q = stream->data;
        struct kt_error err = KT_ERROR_INIT;

        if (n == 0 || !is_open(q))
                return;
        if (n < 0) {
                kt_error_set(&err, -EPIPE, NULL, "QEMU closed its control socket");
                fail(q, &err);
        } else if (kt_wire_decoder_feed(q->decoder, buf->base, (size_t)n) < 0) {
                kt_error_set(&err, -ENOMEM, NULL, "out of memory");
                fail(q, &err);
        } else {
                take_messages(q);
        }
}

/* --- life --- */

static void on_handle_closed(uv_handle_t *handle)
{
        struct qmp *q = handle->data;

        if (--q->open_handles > 0)
                return;
        if (q->started)
                q->ops->on_closed(q->userdata);
        kt_wire_decoder_free(q->decoder);
        free(q);
}

static void close_handles(struct qmp *q)
{
        q->state = QMP_CLOSING;
        uv_close((uv_handle_t *)&q->pipe, on_handle_closed);
        uv_close((uv_handle_t *)&q->timer, on_handle_closed);
}

void qmp_stop(struct qmp *q)
{
        struct kt_error err = KT_ERROR_INIT;

        if (q->state == QMP_CLOSING)
                return;
        close_handles(q);
        kt_error_set(&err, -ECANCELED, NULL, "the control connection to QEMU was closed");
        settle_all(q, &err);
        kt_error_done(&err);
}

int qmp_start(uv_loop_t *loop, int fd, unsigned timeout_ms, const struct qmp_ops *ops, void *userdata,
              struct qmp **ret, struct kt_error *reterr)
{
        struct qmp *q = calloc(1, sizeof(*q));
        int r;

        if (!q || !(q->decoder = kt_wire_decoder_new(QMP_MESSAGE_MAX))) {
                free(q);
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        }
        q->ops = ops;
        q->userdata = userdata;
        q->greeting_deadline_ms = uv_now(loop) + timeout_ms;
        q->pipe.data = q->timer.data = q;
        q->open_handles = 2;
        kt_list_init(&q->commands);
        uv_pipe_init(loop, &q->pipe, 0);
        uv_timer_init(loop, &q->timer);
        r = uv_pipe_open(&q->pipe, fd);
        if (r < 0) {
                close_handles(q);
                return kt_error_set(reterr, r, NULL, "cannot use the control socket: %s", uv_strerror(r));
        }
        q->started = true;
        (void)uv_read_start((uv_stream_t *)&q->pipe, on_alloc, on_read);
        arm_timer(q);
        *ret = q;
        return 0;
}
