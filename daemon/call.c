/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/idl.h"
#include "conn.h"
#include "dispatch.h"
#include "server.h"

struct call *call_new(struct conn *conn, struct json_object *message, struct json_object *parameters)
{
        struct call *call = calloc(1, sizeof(*call));
        const struct ucred *peer = conn_peer(conn);

        if (!call)
                return NULL;
        call->conn = conn;
        call->server = conn_server(conn);
        call->message = message;
        call->parameters = parameters;
        call->uid = peer->uid;
        call->gid = peer->gid;
        call->pid = peer->pid;
        call->refs = 1;
        conn_open_call(conn, call);
        return call;
}

struct call *call_ref(struct call *call)
{
        call->refs++;
        return call;
}

void call_unref(struct call *call)
{
        if (!call || --call->refs > 0)
                return;
        assert(call->finished);
        for (size_t i = 0; i < call->n_fds; i++)
                kt_closep(&call->fds[i]);
        free(call->fds);
        json_object_put(call->message);
        free(call);
}

/* A reply that the interface does not allow is a bug of ours: say so instead of sending it. */
static bool reply_is_valid(struct call *call, struct json_object *parameters)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *dot = strrchr(call->method->name, '.');
        const struct kt_idl *idl = kt_interfaces_of_method(call->server->interfaces, call->method->name);

        if (!idl || kt_idl_check(idl, KT_IDL_METHOD_OUT, dot + 1, parameters, &err) == 0)
                return true;
        kt_log_error("BUG: reply to %s breaks its interface: %s (%s)", call->method->name,
                     kt_error_text(&err), err.field ? err.field : "-");
        return false;
}

static void finish(struct call *call, struct json_object *reply)
{
        struct conn *conn = call->conn;

        assert(!call->finished);
        call->finished = true;
        call->on_cancel = NULL;
        call->on_drain = NULL;
        call->conn = NULL;
        if (conn && !call->oneway && reply)
                (void)conn_send(conn, reply, call->terminator);
        else if (reply)
                json_object_put(reply);
        if (conn)
                conn_call_done(conn);
        call_unref(call);
}

void call_send(struct call *call, struct json_object *parameters)
{
        assert(call->more && !call->finished);
        if (!call->conn || !reply_is_valid(call, parameters)) {
                json_object_put(parameters);
                return;
        }
        struct json_object *reply = kt_wire_make_reply(parameters, true);
        if (reply)
                (void)conn_send(call->conn, reply, call->terminator);
}

void call_reply(struct call *call, struct json_object *parameters)
{
        if (parameters && !reply_is_valid(call, parameters)) {
                json_object_put(parameters);
                call_fail_text(call, KT_E_INTERNAL,
                               "the daemon made a reply that its own interface forbids; see its log");
                return;
        }
        finish(call, kt_wire_make_reply(parameters, false));
}

/* The parameters of an error as its interface declares them: the standard ones have their own. */
static struct json_object *error_parameters(const char *name, const struct kt_error *err)
{
        struct json_object *p = json_object_new_object();
        const char *text = kt_error_text(err);

        if (!p)
                return NULL;
        if (strcmp(name, KT_E_INVALID_PARAMETER) == 0) {
                kt_json_add_str(p, "parameter", err->field ? err->field : "");
                kt_json_add_str(p, "message", text);
        } else if (strcmp(name, KT_E_PERMISSION_DENIED) == 0) {
                kt_json_add_str(p, "message", text);
        } else if (strncmp(name, "org.varlink.service.", 20) == 0) {
                if (err->field)
                        kt_json_add_str(p,
                                        strcmp(name, KT_E_INTERFACE_NOT_FOUND) == 0 ? "interface" : "method",
                                        err->field);
        } else {
                kt_json_add_str(p, "message", text);
                kt_json_add_str(p, "field", err->field);
        }
        return p;
}

void call_fail(struct call *call, const struct kt_error *err)
{
        const char *name = err->name ? err->name : KT_E_INTERNAL;

        kt_log_scope(((struct kt_log_context){.uid = (long)call->uid}));
        kt_log_info("%s refused: %s", call->method ? call->method->name : "request", kt_error_text(err));
        finish(call, kt_wire_make_error(name, error_parameters(name, err)));
}

void call_fail_text(struct call *call, const char *name, const char *fmt, ...)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        kt_error_set(&err, -EINVAL, name, "%s", text);
        call_fail(call, &err);
}

bool call_can_send(const struct call *call)
{
        return call->conn && conn_can_send(call->conn);
}

void call_orphan(struct call *call)
{
        void (*on_cancel)(struct call *) = call->on_cancel;

        call->conn = NULL;
        call->on_cancel = NULL;
        call->on_drain = NULL;
        if (on_cancel)
                on_cancel(call);
}

int call_take_fd(struct call *call, int64_t index, const char *field, int *ret, struct kt_error *reterr)
{
        if (index < 0 || (uint64_t)index >= call->n_fds || call->fds[index] < 0)
                return kt_error_set_field(reterr, -EBADF, KT_E_INVALID_PARAMETER, field,
                                          "'%s' names descriptor %lld, but the message brought %zu", field,
                                          (long long)index, call->n_fds);
        *ret = TAKE_FD(call->fds[index]);
        return 0;
}

bool call_may_act_for(const struct call *call, uid_t uid)
{
        return call->uid == uid || call->uid == 0 || call->uid == geteuid();
}
