/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "call.h"
#include "dispatch.h"
#include "server.h"

/* The kernel's limit for one sendmsg (SCM_MAX_FD). */
#define CONN_FDS_MAX 253U
/* A stream is held back above this much unwritten; a connection that owes more than the hard limit is
 * closed. */
#define CONN_STREAM_BYTES (256U * 1024U)
#define CONN_QUEUE_BYTES_MAX (64U * 1024U * 1024U)
#define CONN_READ_SIZE (64U * 1024U)

struct out_buf {
        struct kt_list link;
        size_t size, written;
        char *data;
};

struct conn {
        struct kt_list link;       /* server's list */
        struct kt_list ready_link; /* its conns_ready, when a call ended outside of handle_messages() */
        struct server *server;
        int fd;
        uv_poll_t poll;
        int asked; /* what the loop was asked for last; 0: nothing */
        struct ucred peer;

        struct kt_wire_decoder *decoder;
        int fds[CONN_FDS_MAX];
        size_t n_fds;
        struct kt_list out;
        size_t out_bytes;

        struct call *call; /* the open one; borrowed, told when orphaned */
        bool eof;          /* the peer sends no more */
        bool bad;          /* what it sent is unusable: close once the answer is written */
        bool handling;     /* inside handle_messages(), which must not be entered twice */
        bool doomed;       /* writing failed: closed as soon as the loop comes round */
        bool closing;
};

const struct ucred *conn_peer(const struct conn *c)
{
        return &c->peer;
}

struct server *conn_server(const struct conn *c)
{
        return c->server;
}

struct conn *conn_from_link(struct kt_list *link)
{
        return kt_list_entry(link, struct conn, link);
}

static void out_buf_free(struct out_buf *b)
{
        kt_list_remove(&b->link);
        free(b->data);
        free(b);
}

static void drop_fds(struct conn *c)
{
        for (size_t i = 0; i < c->n_fds; i++)
                close(c->fds[i]);
        c->n_fds = 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
        struct conn *c = handle->data;

        close(c->fd);
        drop_fds(c);
        kt_list_for_each_safe (it, &c->out)
                out_buf_free(kt_list_entry(it, struct out_buf, link));
        kt_wire_decoder_free(c->decoder);
        free(c);
}

void conn_stop(struct conn *c)
{
        if (c->closing)
                return;
        c->closing = true;
        kt_list_remove(&c->link);
        kt_list_remove(&c->ready_link);
        c->server->n_conns--;

        struct call *call = TAKE_PTR(c->call);
        if (call)
                call_orphan(call);

        struct server *s = c->server;
        uv_poll_stop(&c->poll);
        uv_close((uv_handle_t *)&c->poll, on_poll_closed);
        server_changed(s);
}

static void on_poll(uv_poll_t *handle, int status, int events);

/* libuv leaves and enters epoll again even for what it watches already: three system calls of what is one
 * small request. */
static void ask_loop(struct conn *c, int events)
{
        if (events == c->asked)
                return;
        c->asked = events;
        if (events)
                uv_poll_start(&c->poll, events, on_poll);
        else
                uv_poll_stop(&c->poll);
}

/* Ask the loop for just what can be acted on now. */
static void update_poll(struct conn *c)
{
        int events = 0;

        /* handle_messages() comes here once it is through, and most calls are over by then. */
        if (c->closing || c->handling)
                return;
        if (c->doomed) {
                ask_loop(c, UV_READABLE | UV_DISCONNECT);
                return;
        }
        if (!kt_list_empty(&c->out))
                events |= UV_WRITABLE;
        if (!c->eof) {
                /* While a call is open nothing is read, but a client that hangs up must be noticed. */
                events |= UV_DISCONNECT;
                if (!c->call && !c->bad && c->out_bytes < CONN_STREAM_BYTES)
                        events |= UV_READABLE;
        } else
                /* A half-closed client still waits for its answer, until it closes the other half too: epoll
                 * then says so to whoever asks for anything, and this asks for nothing else. */
                events |= UV_PRIORITIZED;
        ask_loop(c, events);
}

/* Write what the socket takes. -EPIPE and the like when the peer is gone. */
static int flush(struct conn *c)
{
        while (!kt_list_empty(&c->out)) {
                struct out_buf *b = kt_list_entry(c->out.next, struct out_buf, link);
                ssize_t n =
                        send(c->fd, b->data + b->written, b->size - b->written, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return errno == EAGAIN ? 0 : -errno;
                }
                b->written += (size_t)n;
                c->out_bytes -= (size_t)n;
                if (b->written == b->size)
                        out_buf_free(b);
        }
        return 0;
}

/* Not conn_stop() at once: whoever sends is in the middle of something that the end of a call would pull
 * away under it. A socket that was shut down is readable, so that the loop comes back to it. */
static void doom(struct conn *c)
{
        c->doomed = true;
        shutdown(c->fd, SHUT_RDWR);
        update_poll(c);
}

int conn_send(struct conn *c, struct json_object *json, char terminator)
{
        _cleanup_json_ struct json_object *owned = json;
        struct out_buf *b;
        int r;

        if (c->closing || c->doomed)
                return -EPIPE;
        b = calloc(1, sizeof(*b));
        if (!b)
                goto oom;
        kt_list_init(&b->link);
        if (kt_wire_encode(owned, terminator, &b->data, &b->size) < 0)
                goto oom;
        kt_list_append(&c->out, &b->link);
        c->out_bytes += b->size;

        r = flush(c);
        if (r == 0 && c->out_bytes > CONN_QUEUE_BYTES_MAX) {
                kt_log_warning("client of uid %u (pid %d) reads nothing: %zu bytes wait for it, hanging up",
                               (unsigned)c->peer.uid, (int)c->peer.pid, c->out_bytes);
                r = -ENOBUFS;
        }
        if (r < 0) {
                doom(c);
                return -EPIPE;
        }
        update_poll(c);
        return 0;
oom:
        free(b);
        kt_log_error("out of memory writing to a client of uid %u, hanging up", (unsigned)c->peer.uid);
        doom(c);
        return -EPIPE;
}

bool conn_can_send(const struct conn *c)
{
        return !c->closing && !c->doomed && c->out_bytes < CONN_STREAM_BYTES;
}

static int64_t highest_fd_index(struct json_object *o)
{
        int64_t highest = -1;

        if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o); i++) {
                        int64_t h = highest_fd_index(json_object_array_get_idx(o, i));
                        highest = h > highest ? h : highest;
                }
        } else if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach (o, key, value) {
                        size_t len = strlen(key);
                        bool names_fd = len > 3 && strcmp(key + len - 3, "_fd") == 0;
                        int64_t h = names_fd && json_object_is_type(value, json_type_int)
                                            ? json_object_get_int64(value)
                                            : highest_fd_index(value);
                        highest = h > highest ? h : highest;
                }
        }
        return highest;
}

/* Hand one message on. The descriptors it names go with it; those that a message brought without naming are
 * closed. */
static void handle_message(struct conn *c, struct kt_wire_message *m)
{
        int fds[CONN_FDS_MAX];
        int64_t wanted = highest_fd_index(m->json) + 1;
        size_t n = wanted < 0 ? 0 : (uint64_t)wanted > c->n_fds ? c->n_fds : (size_t)wanted;

        memcpy(fds, c->fds, n * sizeof(int));
        c->n_fds -= n;
        memmove(c->fds, c->fds + n, c->n_fds * sizeof(int));
        if (kt_wire_decoder_pending(c->decoder, NULL) == 0)
                drop_fds(c);
        dispatch(c, TAKE_PTR(m->json), m->terminator, fds, n);
}

size_t conn_held_bytes(const struct conn *c)
{
        return kt_wire_decoder_held(c->decoder) + c->out_bytes;
}

/* The last that this connection is told: it closes once that is written. */
static void refuse(struct conn *c, const char *name, const char *member, const struct kt_error *err)
{
        struct json_object *params = json_object_new_object(), *reply;

        c->bad = true;
        kt_json_add_str(params, member, kt_error_text(err));
        reply = kt_wire_make_error(name, params);
        if (reply)
                conn_send(c, reply, '\0');
}

/* A user whose connections hold too much: the one that asks for more pays. */
static void refuse_if_it_holds_too_much(struct conn *c)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        /* Small ones cannot add up: there is a limit to their number. */
        if (conn_held_bytes(c) < 2 * CONN_READ_SIZE || server_admit_bytes(c->server, c->peer.uid, &err) >= 0)
                return;
        kt_log_warning("closing a connection: %s", kt_error_text(&err));
        refuse(c, KT_E_BUSY, "message", &err);
}

/* The stream lost its sense: answer once in the protocol's terms, then close. */
static void refuse_stream(struct conn *c, const struct kt_error *err)
{
        kt_log_info("pid %d sent no Varlink: %s", (int)c->peer.pid, kt_error_text(err));
        refuse(c, KT_E_INVALID_PARAMETER, "parameter", err);
}

static void handle_messages(struct conn *c)
{
        if (c->handling)
                return;
        c->handling = true;
        while (!c->closing && !c->doomed && !c->call && !c->bad) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct kt_wire_message m = {};
                int r = kt_wire_decoder_next(c->decoder, &m, &err);

                if (r == 0)
                        break;
                if (r < 0)
                        refuse_stream(c, &err);
                else
                        handle_message(c, &m);
        }
        c->handling = false;
        if (c->closing)
                return;
        if ((c->bad || (c->eof && !c->call)) && kt_list_empty(&c->out)) {
                conn_stop(c);
                return;
        }
        update_poll(c);
}

static void on_turn(uv_timer_t *timer)
{
        struct server *s = timer->data;

        while (!kt_list_empty(&s->conns_ready)) {
                struct conn *c = kt_list_entry(s->conns_ready.next, struct conn, ready_link);

                kt_list_remove(&c->ready_link);
                handle_messages(c);
        }
}

/* What the client sent next waits for the loop: whoever replies is in the middle of something that the next
 * request could pull away under it. */
void conn_call_done(struct conn *c)
{
        c->call = NULL;
        if (c->handling || c->closing || !kt_list_empty(&c->ready_link))
                return;
        kt_list_append(&c->server->conns_ready, &c->ready_link);
        uv_timer_start(&c->server->turn, on_turn, 0, 0);
}

static int take_received_fds(struct conn *c, struct msghdr *msg)
{
        for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                const int *fds = (const int *)(void *)CMSG_DATA(h);
                for (size_t i = 0; i < n; i++) {
                        if (c->n_fds < CONN_FDS_MAX)
                                c->fds[c->n_fds++] = fds[i];
                        else
                                close(fds[i]);
                }
        }
        return msg->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

static void receive(struct conn *c)
{
        char buf[CONN_READ_SIZE];
        union {
                char space[CMSG_SPACE(sizeof(int) * CONN_FDS_MAX)];
                struct cmsghdr align;
        } control;
        struct iovec iov = {buf, sizeof(buf)};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        conn_stop(c);
                return;
        }
        if (take_received_fds(c, &msg) < 0)
                kt_log_warning("pid %d sent more descriptors than could be taken", (int)c->peer.pid);
        if (n == 0)
                c->eof = true;
        else if (kt_wire_decoder_feed(c->decoder, buf, (size_t)n) < 0) {
                conn_stop(c);
                return;
        }
        refuse_if_it_holds_too_much(c);
        handle_messages(c);
}

/* Has the peer closed for good, or only ended its writing half? */
static bool hung_up(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLHUP};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
        struct conn *c = handle->data;

        kt_log_scope(((struct kt_log_context){.uid = (long)c->peer.uid}));
        if (c->closing)
                return;
        if (status < 0 || c->doomed) {
                conn_stop(c);
                return;
        }
        if (events & UV_WRITABLE) {
                if (flush(c) < 0) {
                        conn_stop(c);
                        return;
                }
                if (c->call && c->call->on_drain && conn_can_send(c))
                        c->call->on_drain(c->call);
                if (!c->closing)
                        handle_messages(c);
                if (c->closing)
                        return;
        }
        if (events & UV_READABLE) {
                receive(c);
                return;
        }
        if ((events & UV_PRIORITIZED) && hung_up(c->fd)) {
                conn_stop(c);
                return;
        }
        if (events & UV_DISCONNECT) {
                if (hung_up(c->fd)) {
                        conn_stop(c);
                        return;
                }
                /* Half-closed: it still wants its answer. What it sent before is read when the
                 * call is done. */
                if (!c->call) {
                        receive(c);
                        return;
                }
                c->eof = true;
                update_poll(c);
        }
}

int conn_start(struct server *server, int fd, struct conn **ret)
{
        struct conn *c = calloc(1, sizeof(*c));
        socklen_t len = sizeof(c->peer);
        int r = -ENOMEM;

        if (!c)
                return -ENOMEM;
        c->server = server;
        kt_list_init(&c->link);
        kt_list_init(&c->ready_link);
        kt_list_init(&c->out);
        c->poll.data = c;
        c->decoder = kt_wire_decoder_new(0);
        if (!c->decoder)
                goto fail;
        r = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) < 0 ? -errno : 0;
        if (r < 0)
                goto fail;
        r = uv_poll_init(&server->loop, &c->poll, fd);
        if (r < 0)
                goto fail;
        c->fd = fd;
        kt_list_append(&server->conns, &c->link);
        server->n_conns++;
        update_poll(c);
        *ret = c;
        return 0;
fail:
        kt_wire_decoder_free(c->decoder);
        free(c);
        return r;
}

void conn_open_call(struct conn *c, struct call *call)
{
        assert(!c->call);
        c->call = call;
}
