/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/errors.h"

/* The rates are kept as what was taken and not yet paid for by time passed; more than a window's worth of
 * it, and the guest is not read until it is paid off. What one read brought too much is therefore taken off
 * the next window. */
#define WINDOW_MS 50
#define WINDOW_BYTES (PORT_BYTES_PER_SECOND * WINDOW_MS / 1000)
#define WINDOW_FRAMES (PORT_FRAMES_PER_SECOND * WINDOW_MS / 1000)

struct port {
        uv_pipe_t pipe;
        uv_timer_t resume; /* runs while reading is held back */
        unsigned open_handles;
        bool started; /* port_start() succeeded, so on_closed is owed */
        bool done;    /* closed at the other end, or failed */
        bool closing;
        uint64_t paid_ms, owed_bytes, owed_frames;
        struct kt_frame_decoder decoder;
        const struct port_ops *ops;
        void *userdata;
};

struct write {
        uv_write_t request;
        void *data;
        void (*on_written)(void *userdata, int status);
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        /* What is read is taken before anything else is: one serves all ports of a thread. */
        static _Thread_local char buffer[64 * 1024];

        *ret = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* Pay with the time passed since the last look; true while more than a window's worth is owed. */
static bool owes(struct port *p)
{
        const uint64_t now = uv_now(p->pipe.loop), passed_ms = now - p->paid_ms;
        const uint64_t bytes = passed_ms * PORT_BYTES_PER_SECOND / 1000;
        const uint64_t frames = passed_ms * PORT_FRAMES_PER_SECOND / 1000;

        p->paid_ms = now;
        p->owed_bytes -= bytes < p->owed_bytes ? bytes : p->owed_bytes;
        p->owed_frames -= frames < p->owed_frames ? frames : p->owed_frames;
        return p->owed_bytes > WINDOW_BYTES || p->owed_frames > WINDOW_FRAMES;
}

static void on_resume(uv_timer_t *timer)
{
        struct port *p = timer->data;

        if (p->done || p->closing)
                return;
        if (owes(p))
                uv_timer_start(&p->resume, on_resume, WINDOW_MS, 0);
        else
                (void)uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
}

static void limit_rate(struct port *p)
{
        if (!owes(p))
                return;
        uv_read_stop((uv_stream_t *)&p->pipe);
        uv_timer_start(&p->resume, on_resume, WINDOW_MS, 0);
}

static void fail(struct port *p, int error)
{
        struct kt_error err = KT_ERROR_INIT;

        p->done = true;
        uv_read_stop((uv_stream_t *)&p->pipe);
        if (error == -ENOMEM)
                kt_error_set(&err, error, KT_E_INTERNAL, "out of memory");
        else
                kt_error_set(&err, error, KT_E_GUEST_PROTOCOL, "the guest sent %s",
                             error == -EMSGSIZE ? "a frame that is larger than any may be"
                                                : "bytes that are no frames");
        p->ops->on_failed(p->userdata, &err);
        kt_error_done(&err);
}

static void take_frames(struct port *p)
{
        struct kt_frame frame;
        int r;

        while (!p->closing && (r = kt_frame_decoder_next(&p->decoder, &frame)) != 0) {
                if (r < 0) {
                        fail(p, r);
                        return;
                }
                p->owed_frames++;
                p->ops->on_frame(p->userdata, &frame);
        }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct port *p = stream->data;
        int r;

        if (n == 0 || p->closing || p->done)
                return;
        if (n < 0) {
                p->done = true;
                uv_read_stop(stream);
                p->ops->on_eof(p->userdata);
                return;
        }
        p->owed_bytes += (uint64_t)n;
        r = kt_frame_decoder_feed(&p->decoder, buf->base, (size_t)n);
        if (r < 0) {
                fail(p, r);
                return;
        }
        take_frames(p);
        if (!p->closing && !p->done)
                limit_rate(p);
}

/* --- out --- */

static void on_written(uv_write_t *request, int status)
{
        struct write *w = kt_container_of(request, struct write, request);
        struct port *p = request->handle->data;

        if (w->on_written)
                w->on_written(p->userdata, status);
        free(w->data);
        free(w);
}

int port_write(struct port *p, void *data, size_t size, void (*on_written_cb)(void *userdata, int status))
{
        struct write *w;
        uv_buf_t buf;
        int r = -EPIPE;

        w = p->closing || p->done ? NULL : calloc(1, sizeof(*w));
        if (!w) {
                free(data);
                return p->closing || p->done ? -EPIPE : -ENOMEM;
        }
        w->data = data;
        w->on_written = on_written_cb;
        buf = uv_buf_init(data, (unsigned)size);
        r = uv_write(&w->request, (uv_stream_t *)&p->pipe, &buf, 1, on_written);
        if (r < 0) {
                free(data);
                free(w);
        }
        return r;
}

int port_send(struct port *p, uint32_t type, const void *payload, uint32_t size)
{
        uint8_t *frame;
        int r;

        if (p->closing || p->done)
                return 0;
        frame = malloc(KT_FRAME_HEADER_SIZE + (size_t)size);
        if (!frame)
                return -ENOMEM;
        kt_frame_header(frame, type, payload, size);
        if (size > 0)
                memcpy(frame + KT_FRAME_HEADER_SIZE, payload, size);
        r = port_write(p, frame, KT_FRAME_HEADER_SIZE + (size_t)size, NULL);
        return r == -ENOMEM ? r : 0;
}

size_t port_queued(const struct port *p)
{
        return uv_stream_get_write_queue_size((const uv_stream_t *)&p->pipe);
}

/* --- life --- */

static void on_handle_closed(uv_handle_t *handle)
{
        struct port *p = handle->data;

        if (--p->open_handles > 0)
                return;
        if (p->started)
                p->ops->on_closed(p->userdata);
        kt_frame_decoder_done(&p->decoder);
        free(p);
}

void port_stop(struct port *p)
{
        if (p->closing)
                return;
        p->closing = true;
        uv_close((uv_handle_t *)&p->pipe, on_handle_closed);
        uv_close((uv_handle_t *)&p->resume, on_handle_closed);
}

int port_start(uv_loop_t *loop, int fd, const struct port_ops *ops, void *userdata, struct port **ret,
               struct kt_error *reterr)
{
        struct port *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        p->ops = ops;
        p->userdata = userdata;
        p->pipe.data = p->resume.data = p;
        p->open_handles = 2;
        kt_frame_decoder_init(&p->decoder);
        uv_pipe_init(loop, &p->pipe, 0);
        uv_timer_init(loop, &p->resume);
        r = uv_pipe_open(&p->pipe, fd);
        if (r < 0) {
                port_stop(p);
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot use the agent's port: %s",
                                    uv_strerror(r));
        }
        p->started = true;
        (void)uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
        *ret = p;
        return 0;
}
