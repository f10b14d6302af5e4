/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../proto/errors.h"

int rpc_init(struct rpc *r, int fd, struct kt_error *reterr)
{
        *r = (struct rpc){.fd = fd};
        r->decoder = kt_wire_decoder_new(0);
        return r->decoder ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

void rpc_done(struct rpc *r)
{
        kt_closep(&r->fd);
        kt_wire_decoder_free(r->decoder);
        r->fd = -1;
        r->decoder = NULL;
}

static int gone(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ECONNRESET, KT_E_SHUTTING_DOWN, "the daemon hung up; its log says why");
}

static int send_all(int fd, const char *data, size_t size, const int *fds, size_t n_fds,
                    struct kt_error *reterr)
{
        union {
                char space[CMSG_SPACE(sizeof(int) * RPC_FDS_MAX)];
                struct cmsghdr align;
        } control;
        size_t sent = 0;

        while (sent < size) {
                struct iovec iov = {(char *)data + sent, size - sent};
                struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

                if (sent == 0 && n_fds > 0) {
                        memset(&control, 0, sizeof(control));
                        msg.msg_control = &control;
                        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                        struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
                        h->cmsg_level = SOL_SOCKET;
                        h->cmsg_type = SCM_RIGHTS;
                        h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                        memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
                }
                ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                /* It may have said why before it hung up: whoever receives will see. */
                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return 0;
                if (n < 0)
                        return kt_error_set(reterr, -errno, KT_E_IO, "cannot write to the daemon: %s",
                                            strerror(errno));
                sent += (size_t)n;
        }
        return 0;
}

int rpc_send(struct rpc *r, const char *method, struct json_object *parameters, bool more, const int *fds,
             size_t n_fds, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *call = kt_wire_make_call(method, parameters, more, false);
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (n_fds > RPC_FDS_MAX)
                return kt_error_set(reterr, -E2BIG, KT_E_BAD_FILE,
                                    "%zu files are more than one request can bring (%u); pack some of them "
                                    "into an archive",
                                    n_fds, RPC_FDS_MAX);
        if (!call || kt_wire_encode(call, '\0', &text, &size) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return send_all(r->fd, text, size, fds, n_fds, reterr);
}

/* Wire names are static in kt_error, so each is kept; there are few. */
static const char *keep_name(const char *name)
{
        static char *kept[32];

        for (size_t i = 0; i < KT_ARRAY_SIZE(kept); i++) {
                if (!kept[i])
                        kept[i] = strdup(name);
                if (kept[i] && strcmp(kept[i], name) == 0)
                        return kept[i];
        }
        return KT_E_INTERNAL;
}

static const char *typed(const struct rpc_name *names, const char *parameter)
{
        for (; names && names->parameter; names++)
                if (strcmp(names->parameter, parameter) == 0)
                        return names->typed;
        return parameter;
}

/* An error reply as an error object: the daemon's own words where it has some. */
static int take_error(const struct rpc *r, const struct kt_wire_reply *reply, struct kt_error *reterr)
{
        const char *name = keep_name(reply->error);
        const char *message = reply->parameters ? kt_json_str(reply->parameters, "message") : NULL;
        const char *parameter = reply->parameters ? kt_json_str(reply->parameters, "parameter") : NULL;

        if (message && parameter && *parameter && !strstr(message, parameter))
                return kt_error_set(reterr, -EREMOTEIO, name, "%s: %s", typed(r->names, parameter), message);
        if (message)
                return kt_error_set(reterr, -EREMOTEIO, name, "%s", message);
        return kt_error_set(reterr, -EREMOTEIO, name, "the daemon answered %s%s%s", reply->error,
                            parameter ? ": " : "", parameter ? parameter : "");
}

static int take_message(const struct rpc *rpc, struct json_object *json, struct json_object **ret,
                        bool *ret_continues, struct kt_error *reterr)
{
        struct kt_wire_reply reply;
        int r = kt_wire_parse_reply(json, &reply, reterr);

        if (r < 0)
                return r;
        if (reply.error)
                return take_error(rpc, &reply, reterr);
        *ret = reply.parameters ? json_object_get(reply.parameters) : NULL;
        *ret_continues = reply.continues;
        return 0;
}

static int wait_readable(struct rpc *r)
{
        struct timespec tick = {.tv_sec = r->tick_ms / 1000, .tv_nsec = r->tick_ms % 1000 * 1000000L};
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        int n;

        while ((n = ppoll(&p, 1, r->on_tick ? &tick : NULL, r->wait_mask)) == 0)
                r->on_tick(r->tick_data);
        return n < 0 ? -errno : 0;
}

/* 1: a reply is taken, 0: more bytes are needed for one. */
static int take_next(struct rpc *r, struct json_object **ret, bool *ret_continues, struct kt_error *reterr)
{
        struct kt_wire_message m;
        int e = kt_wire_decoder_next(r->decoder, &m, reterr);

        if (e < 0)
                return kt_error_prefix(reterr, "what the daemon sent is no Varlink"), e;
        if (e == 0)
                return 0;
        e = take_message(r, m.json, ret, ret_continues, reterr);
        json_object_put(m.json);
        return e < 0 ? e : 1;
}

/* What is there; -EINTR and -EAGAIN without a text. */
static int feed(struct rpc *r, int flags, struct kt_error *reterr)
{
        char buf[65536];
        ssize_t n = recv(r->fd, buf, sizeof(buf), flags);
        int e;

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return -errno;
        if (n <= 0)
                return gone(reterr);
        e = kt_wire_decoder_feed(r->decoder, buf, (size_t)n);
        return e < 0 ? kt_error_set(reterr, e, KT_E_INTERNAL, "out of memory") : 0;
}

int rpc_receive(struct rpc *r, struct json_object **ret, bool *ret_continues, struct kt_error *reterr)
{
        for (;;) {
                int e = take_next(r, ret, ret_continues, reterr);

                if (e != 0)
                        return e < 0 ? e : 0;
                if (wait_readable(r) < 0)
                        return -EINTR;
                e = feed(r, 0, reterr);
                if (e < 0)
                        return e;
        }
}

int rpc_receive_ready(struct rpc *r, struct json_object **ret, bool *ret_continues, struct kt_error *reterr)
{
        for (;;) {
                int e = take_next(r, ret, ret_continues, reterr);

                if (e != 0)
                        return e;
                do
                        e = feed(r, MSG_DONTWAIT, reterr);
                while (e == -EINTR);
                if (e < 0)
                        return e == -EAGAIN ? 0 : e;
        }
}

int rpc_call(struct rpc *r, const char *method, struct json_object *parameters, struct json_object **ret,
             struct kt_error *reterr)
{
        bool continues;
        int e = rpc_send(r, method, parameters, false, NULL, 0, reterr);

        if (e < 0)
                return e;
        do
                e = rpc_receive(r, ret, &continues, reterr);
        while (e == -EINTR);
        return e;
}
