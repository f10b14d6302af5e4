/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>

#include "request.h"

int kernel_resolve(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object(), *e;
        int status;

        if (argc > 0)
                request_kernel(params, argv[0]);
        request_defaults(params);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Resolve", params, &reply, &status))
                return status;
        e = kt_json_get(reply, "entry");
        if (g->json)
                return simple_print_json(e);
        puts(kt_json_str(e, "key"));
        return 0;
}
