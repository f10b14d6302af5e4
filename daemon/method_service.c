/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.varlink.service: who we are and what we speak. */
#include <errno.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/idl.h"
#include "dispatch.h"
#include "server.h"

static void get_info(struct call *call)
{
        struct json_object *o = json_object_new_object(), *names = json_object_new_array();
        const struct kt_idl *idl;

        for (size_t i = 0; (idl = kt_interfaces_at(call->server->interfaces, i)); i++)
                json_object_array_add(names, json_object_new_string(kt_idl_name(idl)));
        kt_json_add_str(o, "vendor", "ktstrd");
        kt_json_add_str(o, "product", "ktstrd");
        kt_json_add_str(o, "version", server_version());
        kt_json_add_str(o, "url", "https://www.kernel.org/doc/html/latest/scheduler/sched-ext.html");
        kt_json_add(o, "interfaces", names);
        call_reply(call, o);
}

static void get_interface_description(struct call *call)
{
        const char *name = kt_json_str(call->parameters, "interface");
        const struct kt_idl *idl = kt_interfaces_find(call->server->interfaces, name);

        if (!idl) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                kt_error_set_field(&err, -ENOENT, KT_E_INTERFACE_NOT_FOUND, name, "no interface '%s' here",
                                   name);
                call_fail(call, &err);
                return;
        }
        struct json_object *o = json_object_new_object();
        kt_json_add_str(o, "description", kt_idl_text(idl));
        call_reply(call, o);
}

const struct method methods_service[] = {
        {"org.varlink.service.GetInfo", get_info, .while_draining = true},
        {"org.varlink.service.GetInterfaceDescription", get_interface_description, .while_draining = true},
        {},
};
