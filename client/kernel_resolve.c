/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>
#include <string.h>

#include "kernel_choice.h"

/* One kernel is its key alone, as a script wants it. */
static void print(struct json_object *resolved, bool several)
{
        const size_t n = json_object_array_length(resolved);
        int width = 0;

        for (size_t i = 0; i < n; i++) {
                const int w = (int)strlen(kt_json_str(json_object_array_get_idx(resolved, i), "label"));

                width = w > width ? w : width;
        }
        for (size_t i = 0; i < n; i++) {
                struct json_object *r = json_object_array_get_idx(resolved, i);

                if (several)
                        printf("%-*s  ", width, kt_json_str(r, "label"));
                puts(kt_json_str(kt_json_get(r, "entry"), "key"));
        }
}

int kernel_resolve(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(kernel_choice_done) struct kernel_choice c = {.fetch = kernel_options.fetch};
        _cleanup_json_ struct json_object *resolved = NULL;
        int status = 0, r = 0;

        for (int i = 0; r >= 0 && i < argc; i++)
                r = kernel_choice_add(&c, argv[i], &err);
        if (r >= 0)
                r = kernel_choice_add_default(&c, &err);
        if (r < 0)
                return client_tell(&verb_kernel, &err);
        if (!kernel_choice_resolve(&c, &verb_kernel, g, &resolved, &status))
                return status;
        if (g->json)
                return simple_print_json(resolved);
        print(resolved, kernel_choice_is_several(&c));
        return 0;
}
