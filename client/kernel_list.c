/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>

/* What keeps it from running schedulers. */
const char *kernel_marks(struct json_object *entry)
{
        bool sched_ext = kt_json_bool(entry, "sched_ext", false),
             btf = kt_json_bool(entry, "has_btf", false);

        if (!sched_ext)
                return btf ? " (no sched_ext)" : " (no sched_ext) (no BTF)";
        return btf ? "" : " (no BTF)";
}

static void print_entry(struct json_object *e)
{
        const char *error = kt_json_str(e, "error"), *version = kt_json_str(e, "version");

        if (error)
                printf("  %-48s (corrupt: %s)\n", kt_json_str(e, "key"), error);
        else
                printf("  %-48s %-12s %-8s %-7s %s%s\n", kt_json_str(e, "key"), version ? version : "-",
                       kt_json_str(e, "source"), kt_json_str(e, "arch"), kt_json_str(e, "built_at"),
                       kernel_marks(e));
}

int kernel_list(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *entries;
        int status;

        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.List", NULL, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        entries = kt_json_get(reply, "entries");
        fprintf(stderr, "cache: %s\n", kt_json_str(reply, "root"));
        if (json_object_array_length(entries) == 0) {
                puts("no cached kernels. Run `ktstrctl kernel import FILE` to take one in.");
                return 0;
        }
        printf("  %-48s %-12s %-8s %-7s %s\n", "KEY", "VERSION", "SOURCE", "ARCH", "BUILT");
        for (size_t i = 0; i < json_object_array_length(entries); i++)
                print_entry(json_object_array_get_idx(entries, i));
        return 0;
}
