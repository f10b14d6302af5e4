/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `kernel list`, and with --range what a range means before anything is done with it. */
#include "kernel.h"

#include <stdio.h>

static int show(const char *range, bool fetch, const struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object(), *versions;
        int status;

        kt_json_add_str(params, "range", range);
        kt_json_add_bool(params, "fetch", fetch);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Versions", params, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        versions = kt_json_get(reply, "versions");
        for (size_t i = 0; i < json_object_array_length(versions); i++)
                puts(json_object_get_string(json_object_array_get_idx(versions, i)));
        if (json_object_array_length(versions) == 0)
                fprintf(stderr, "%s: no version of it is %s\n", range,
                        fetch ? "cached or released"
                              : "cached; with --fetch kernel.org's releases are looked at too");
        return 0;
}

int kernel_range(int argc, char **argv, struct globals *g)
{
        const struct kernel_options *o = &kernel_options;

        return o->range ? show(o->range, o->fetch, g) : kernel_list(argc, argv, g);
}
