/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "guest_internal.h"
#include "worker.h"

/* What of the hand-out is read, and then sent over the port, at a time. */
#define CHUNK_SIZE (1U << 20)

void guest_protocol_error(struct guest *g, const char *text)
{
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EPROTO, KT_E_GUEST_PROTOCOL, "the guest broke the protocol: %s", text);
        guest_end(g, GUEST_END_PROTOCOL, &err);
}

/* --- the mailbox --- */

/* Plain data for the worker; the hand-out and the memory stay, since the guest is not freed while a worker
 * runs. */
struct fill {
        struct guest *guest;
        struct handout *handout;
        const struct guest_memory *memory;
        uint64_t gpa, size;
        int r;
        struct kt_error err;
};

static void fill_work(void *data)
{
        struct fill *f = data;

        f->r = handout_fill_mailbox(f->handout, f->memory, f->gpa, f->size, &f->err);
}

static void filled(struct guest *g, int r, struct kt_error *err)
{
        if (r == 0)
                guest_continue(g, GUEST_BOOTING);
        else if (err->name && strcmp(err->name, KT_E_GUEST_DIED) == 0)
                guest_expect_exit(g); /* QEMU went away under our hands: its exit tells why */
        else
                guest_fail(g, GUEST_END_START, err, "the job could not be handed over");
}

static void fill_done(void *data, int status)
{
        struct fill *f = data;
        struct guest *g = f->guest;

        if (!guest_is_ending(g))
                filled(g, status == 0 ? f->r : status, &f->err);
        kt_error_done(&f->err);
        free(f);
        guest_part_gone(g);
}

static void free_handout(struct guest *g)
{
        handout_free(g->handout);
        g->handout = NULL;
}

static int set_note(struct guest *g, char *note)
{
        free(g->note);
        g->note = note;
        return note ? 0 : -ENOMEM;
}

static int note_no_mailbox(struct guest *g)
{
        return set_note(g, kt_format("the guest cannot read its mailbox (%s): the job went over "
                                     "virtio-serial after it was "
                                     "up",
                                     g->mailbox_error));
}

/* Without a mailbox: an agent that is up already has to be told to say HELLO, which is when it gets the
 * rest. */
static int begin_without_mailbox(struct guest *g)
{
        int r = g->mailbox_error
                        ? note_no_mailbox(g)
                        : set_note(
                                  g,
                                  strdup("the kernel has no /dev/mem: the job went over virtio-serial after "
                                         "it was up"));

        if (r < 0)
                return r;
        guest_set_state(g, GUEST_HANDING);
        guest_continue(g, GUEST_BOOTING);
        if (g->agent_waits)
                (void)port_send(g->port, KT_FRAME_WAKE, NULL, 0);
        return 0;
}

/* A few hundred bytes: two turns of the loop more would be most of what a pool hit takes. */
static void fill_now(struct guest *g)
{
        struct kt_error err = KT_ERROR_INIT;
        int r;

        guest_set_state(g, GUEST_HANDING);
        r = handout_fill_mailbox(g->handout, g->memory, g->shape->layout.mailbox_gpa,
                                 g->shape->layout.mailbox_size, &err);
        filled(g, r, &err);
        kt_error_done(&err);
}

int guest_begin_hand_out(struct guest *g)
{
        struct fill *f;
        int r;

        if (g->shape->layout.mailbox_size == 0 || g->mailbox_error)
                return begin_without_mailbox(g);
        if (handout_is_quick(g->handout)) {
                fill_now(g);
                return 0;
        }
        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        *f = (struct fill){
                .guest = g,
                .handout = g->handout,
                .memory = g->memory,
                .gpa = g->shape->layout.mailbox_gpa,
                .size = g->shape->layout.mailbox_size,
        };
        r = worker_run(g->loop, fill_work, fill_done, f);
        if (r < 0) {
                free(f);
                return r;
        }
        g->parts++;
        guest_set_state(g, GUEST_HANDING);
        return 0;
}

/* --- the rest, over the port --- */

struct chunk {
        struct guest *guest;
        struct handout *handout;
        void *data;
        ssize_t size;
        struct kt_error err;
};

static void send_next_chunk(struct guest *g);

static void on_chunk_written(void *userdata, int status)
{
        struct guest *g = userdata;

        /* A port that takes no more belongs to a QEMU that is about to be gone. */
        if (!guest_is_ending(g) && status == 0)
                send_next_chunk(g);
}

static void send_pending(struct guest *g)
{
        if (g->pending_size > 0)
                (void)port_write(g->port, TAKE_PTR(g->pending), g->pending_size, NULL);
        g->pending_size = 0;
}

static void chunk_work(void *data)
{
        struct chunk *c = data;

        c->data = malloc(CHUNK_SIZE);
        c->size = c->data ? handout_read(c->handout, c->data, CHUNK_SIZE, &c->err)
                          : kt_error_set(&c->err, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static void take_chunk(struct guest *g, struct chunk *c)
{
        if (c->size < 0) {
                guest_fail(g, GUEST_END_START, &c->err, "the job could not be handed over");
        } else if (c->size == 0) {
                free_handout(g);
                send_pending(g);
        } else {
                (void)port_write(g->port, TAKE_PTR(c->data), (size_t)c->size, on_chunk_written);
        }
}

static void chunk_done(void *data, int status)
{
        struct chunk *c = data;
        struct guest *g = c->guest;

        if (!guest_is_ending(g))
                take_chunk(g, c);
        kt_error_done(&c->err);
        free(c->data);
        free(c);
        guest_part_gone(g);
}

static void send_next_chunk(struct guest *g)
{
        struct chunk *c = calloc(1, sizeof(*c));
        struct kt_error err = KT_ERROR_INIT;
        int r = -ENOMEM;

        if (c) {
                c->guest = g;
                c->handout = g->handout;
                r = worker_run(g->loop, chunk_work, chunk_done, c);
        }
        if (r < 0) {
                free(c);
                kt_error_set(&err, r, KT_E_INTERNAL, "%s", uv_strerror(r));
                guest_fail(g, GUEST_END_START, &err, "the job could not be handed over");
                return;
        }
        g->parts++;
}

/* --- frames --- */

/* What does not lie in the mailbox, or that the agent cannot read there, goes over the port. */
static void send_what_is_left(struct guest *g)
{
        if (g->shape->layout.mailbox_size > 0 && g->mailbox_error && !g->note) {
                (void)note_no_mailbox(g);
                handout_rewind(g->handout);
        }
        if (handout_at_end(g->handout))
                free_handout(g);
        else
                send_next_chunk(g);
}

int guest_take_hello(struct guest *g, const struct kt_frame *frame)
{
        _cleanup_json_ struct json_object *hello = NULL;
        struct json_object *mailbox;
        const char *why;

        if (kt_json_parse((const char *)frame->payload, frame->size, &hello, NULL) < 0 ||
            !json_object_is_type(hello, json_type_object)) {
                guest_protocol_error(g, "its HELLO is no JSON object");
                return -EPROTO;
        }
        mailbox = kt_json_get(hello, "mailbox");
        if (mailbox && !json_object_is_type(mailbox, json_type_boolean)) {
                guest_protocol_error(g, "its HELLO does not say whether it has its mailbox");
                return -EPROTO;
        }
        if (g->shape->layout.mailbox_size > 0 && !kt_json_bool(hello, "mailbox", false)) {
                why = kt_json_str(hello, "mailbox_error") ?: "it does not say why";
                free(g->mailbox_error);
                g->mailbox_error = kt_utf8_repair(why, strnlen(why, 200));
        }
        return 0;
}

static void begin_running(struct guest *g, const struct kt_frame *frame)
{
        if (frame->type != KT_FRAME_HELLO) {
                guest_protocol_error(g, "its first frame is no HELLO");
                return;
        }
        if (guest_take_hello(g, frame) < 0)
                return;
        guest_set_state(g, GUEST_RUNNING);
        if (!g->leaving)
                uv_timer_stop(&g->timer);
        g->boot_us = (uv_hrtime() - g->cont_ns) / 1000 ?: 1;
        send_what_is_left(g);
}

static void on_frame(void *userdata, const struct kt_frame *frame)
{
        struct guest *g = userdata;

        if (guest_is_ending(g))
                return;
        if (g->state == GUEST_WAKING) {
                guest_park_frame(g, frame);
                return;
        }
        if (g->state == GUEST_BOOTING)
                begin_running(g, frame);
        else if (g->state != GUEST_RUNNING)
                guest_protocol_error(g, "it spoke before it was let run");
        else if (frame->type != KT_FRAME_EVENT && frame->type != KT_FRAME_OUTPUT &&
                 frame->type != KT_FRAME_RESULT)
                guest_protocol_error(g, "a frame that no guest may send");
        if (!guest_is_ending(g))
                g->ops.on_frame(g->userdata, frame);
}

static void on_port_eof(void *userdata)
{
        struct guest *g = userdata;

        g->port_eof = true;
        guest_expect_exit(g);
        guest_conclude_if_drained(g);
}

static void on_port_failed(void *userdata, const struct kt_error *err)
{
        struct guest *g = userdata;
        struct kt_error copy = KT_ERROR_INIT;

        kt_error_set(&copy, err->num, err->name, "%s", kt_error_text(err));
        guest_end(g, GUEST_END_PROTOCOL, &copy);
}

static void on_port_closed(void *userdata)
{
        struct guest *g = userdata;

        g->port = NULL;
        guest_part_gone(g);
}

const struct port_ops guest_port_ops = {
        .on_frame = on_frame,
        .on_eof = on_port_eof,
        .on_failed = on_port_failed,
        .on_closed = on_port_closed,
};

/* --- the console --- */

static void on_console_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        /* What is read is taken before anything else is: one serves all guests of a thread. */
        static _Thread_local char buffer[16384];

        *ret = uv_buf_init(buffer, sizeof(buffer));
}

static void on_console_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct guest *g = stream->data;

        if (n == 0 || guest_is_ending(g))
                return;
        if (n < 0) {
                uv_read_stop(stream);
                g->console_eof = true;
                guest_conclude_if_drained(g);
                return;
        }
        console_add(&g->console, buf->base, (size_t)n);
        if (g->ops.on_console)
                g->ops.on_console(g->userdata, buf->base, (size_t)n);
}

int guest_open_console(struct guest *g, int fd)
{
        int r = uv_pipe_open(&g->console_pipe, fd);

        if (r < 0)
                return r;
        return uv_read_start((uv_stream_t *)&g->console_pipe, on_console_alloc, on_console_read);
}
