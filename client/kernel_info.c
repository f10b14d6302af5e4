/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

int kernel_info(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int status;

        kt_json_add_str(params, "key", argv[0]);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Info", params, &reply, &status))
                return status;
        return simple_print_json(kt_json_get(reply, "entry"));
}
