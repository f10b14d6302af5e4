/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

int kernel_remove(int argc, char **argv, struct globals *g)
{
        int status = 0, worst = 0;

        for (int i = 0; i < argc; i++) {
                _cleanup_json_ struct json_object *reply = NULL;
                struct json_object *params = json_object_new_object();

                kt_json_add_str(params, "key", argv[i]);
                if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Remove", params, &reply, &status))
                        worst = status;
        }
        return worst;
}
