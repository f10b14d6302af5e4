/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simple.h"

#include <getopt.h>
#include <stdio.h>

int simple_options(const struct verb *v, int argc, char **argv, struct globals *g)
{
        static const struct option options[] = {GLOBAL_OPTIONS, {}};
        int status = 0, opt = verb_option(v, argc, argv, options, g, &status);

        if (opt == -2)
                return status;
        return opt == -1 ? -1 : verb_usage_error(v, "unknown option");
}

bool simple_call(const struct verb *v, const struct globals *g, const char *method,
                 struct json_object *params, struct json_object **ret, int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};

        if (!client_connect_or_tell(v, g, &rpc, ret_status)) {
                json_object_put(params);
                return false;
        }
        if (rpc_call(&rpc, method, params, ret, &err) >= 0)
                return true;
        *ret_status = client_tell(v, &err);
        return false;
}

int simple_print_json(struct json_object *o)
{
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        return 0;
}
