/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dispatch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/idl.h"
#include "conn.h"
#include "server.h"

static const struct method *const families[] = {
        methods_service, methods_daemon, methods_job, methods_kernel, methods_pool, methods_shell,
};

const struct method *dispatch_at(size_t i)
{
        for (size_t f = 0; f < KT_ARRAY_SIZE(families); f++)
                for (const struct method *m = families[f]; m->name; m++)
                        if (i-- == 0)
                                return m;
        return NULL;
}

const struct method *dispatch_find(const char *name)
{
        const struct method *m;

        for (size_t i = 0; (m = dispatch_at(i)); i++)
                if (strcmp(m->name, name) == 0)
                        return m;
        return NULL;
}

static int check_method(struct call *call, const struct kt_wire_call *wire, struct kt_error *reterr)
{
        const char *dot = strrchr(wire->method, '.');
        const struct kt_idl *idl = kt_interfaces_of_method(call->server->interfaces, wire->method);

        if (!idl) {
                char *interface = strndup(wire->method, (size_t)(dot - wire->method));
                kt_error_set_field(reterr, -ENOENT, KT_E_INTERFACE_NOT_FOUND, interface ? interface : "",
                                   "no interface '%s' here", interface ? interface : "");
                free(interface);
                return -ENOENT;
        }
        call->method = dispatch_find(wire->method);
        if (!call->method)
                return kt_error_set_field(reterr, -ENOENT,
                                          kt_idl_has_method(idl, dot + 1) ? KT_E_METHOD_NOT_IMPLEMENTED
                                                                          : KT_E_METHOD_NOT_FOUND,
                                          dot + 1, "no method '%s'", wire->method);
        return kt_idl_check(idl, KT_IDL_METHOD_IN, dot + 1, call->parameters, reterr);
}

static int check_allowed(struct call *call, struct kt_error *reterr)
{
        const struct method *m = call->method;

        if (m->owner_only && !call_may_act_for(call, geteuid()))
                return kt_error_set(reterr, -EPERM, KT_E_PERMISSION_DENIED,
                                    "%s is for root and the user that runs the daemon", m->name);
        if (call->server->stopping || (call->server->draining && !m->while_draining))
                return kt_error_set(reterr, -ESHUTDOWN, KT_E_SHUTTING_DOWN,
                                    "the daemon is going down and takes no new work; try again in a moment");
        return 0;
}

/* Before there is a call there is nothing to answer with but the envelope. */
static void refuse_message(struct conn *conn, struct json_object *message, char terminator,
                           const struct kt_error *err)
{
        struct json_object *params = json_object_new_object();

        json_object_put(message);
        kt_json_add_str(params, "parameter", err->field ? err->field : "");
        kt_json_add_str(params, "message", kt_error_text(err));
        struct json_object *reply = kt_wire_make_error(KT_E_INVALID_PARAMETER, params);
        if (reply)
                conn_send(conn, reply, terminator);
}

static struct call *make_call(struct conn *conn, struct json_object *message,
                              const struct kt_wire_call *wire, char terminator, int *fds, size_t n_fds)
{
        struct json_object *parameters = wire->parameters;

        /* Absent, null and {} are the same; the empty object then lives in the message like any other. */
        if (!parameters) {
                parameters = json_object_new_object();
                if (!parameters || json_object_object_add(message, "parameters", parameters) < 0)
                        return NULL;
        }
        struct call *call = call_new(conn, message, parameters);
        if (!call)
                return NULL;
        call->more = wire->more;
        call->oneway = wire->oneway;
        call->terminator = terminator;
        if (n_fds > 0) {
                call->fds = malloc(n_fds * sizeof(int));
                if (call->fds) {
                        memcpy(call->fds, fds, n_fds * sizeof(int));
                        call->n_fds = n_fds;
                }
        }
        if (call->n_fds < n_fds)
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
        return call;
}

void dispatch(struct conn *conn, struct json_object *message, char terminator, int *fds, size_t n_fds)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_wire_call wire;

        if (kt_wire_parse_call(message, &wire, &err) < 0) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                refuse_message(conn, message, terminator, &err);
                return;
        }
        struct call *call = make_call(conn, message, &wire, terminator, fds, n_fds);
        if (!call) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                json_object_put(message);
                conn_stop(conn);
                return;
        }

        if (wire.upgrade) {
                call->method = dispatch_find(wire.method);
                kt_error_set_field(&err, -EINVAL, KT_E_INVALID_PARAMETER, "upgrade",
                                   "no method here can be upgraded");
                call_fail(call, &err);
        } else if (check_method(call, &wire, &err) < 0 || check_allowed(call, &err) < 0)
                call_fail(call, &err);
        else {
                kt_log_debug("%s from pid %d", call->method->name, (int)call->pid);
                call->method->handle(call);
        }
}
