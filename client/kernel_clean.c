/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>
#include <unistd.h>

#include "exit_status.h"

/* only: of these alone (borrowed), or NULL. */
static bool call(bool dry_run, struct json_object *only, const struct globals *g, struct json_object **ret,
                 int *ret_status)
{
        const struct kernel_options *o = &kernel_options;
        struct json_object *params = json_object_new_object();

        if (o->keep >= 0)
                kt_json_add_int(params, "keep", o->keep);
        kt_json_add_bool(params, "corrupt_only", o->corrupt_only);
        kt_json_add_bool(params, "dry_run", dry_run);
        if (only)
                kt_json_add(params, "only", json_object_get(only));
        return simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Clean", params, ret, ret_status);
}

static void print_kept(struct json_object *reply)
{
        struct json_object *keys = kt_json_get(reply, "in_use");

        for (size_t i = 0; i < json_object_array_length(keys); i++)
                fprintf(stderr, "kept %s: in use by a job\n",
                        json_object_get_string(json_object_array_get_idx(keys, i)));
}

static int print_result(struct json_object *reply, const struct globals *g)
{
        const size_t n = json_object_array_length(kt_json_get(reply, "removed"));

        if (g->json)
                return simple_print_json(reply);
        print_kept(reply);
        if (n > 0)
                printf("removed %zu cached kernel(s).\n", n);
        else
                puts("nothing to clean");
        return 0;
}

/* y or Y, and nothing else, is yes. */
static bool is_yes(void)
{
        char line[16];

        return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y') && line[1] == '\n';
}

/* True: go on. */
static bool confirm(struct json_object *would, int *ret_status)
{
        struct json_object *keys = kt_json_get(would, "removed");
        const size_t n = json_object_array_length(keys);

        if (!isatty(STDIN_FILENO)) {
                fputs("ktstrctl: kernel: confirmation requires a terminal. Use --force to skip.\n", stderr);
                *ret_status = EXIT_STATUS_USAGE;
                return false;
        }
        for (size_t i = 0; i < n; i++)
                fprintf(stderr, "  %s\n", json_object_get_string(json_object_array_get_idx(keys, i)));
        fprintf(stderr, "remove %zu entries? [y/N] ", n);
        *ret_status = 0;
        if (is_yes())
                return true;
        fputs("nothing removed\n", stderr);
        return false;
}

int kernel_clean(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *would = NULL, *reply = NULL;
        int status = 0;

        if (!kernel_options.force) {
                if (!call(true, NULL, g, &would, &status))
                        return status;
                if (json_object_array_length(kt_json_get(would, "removed")) == 0)
                        return print_result(would, g);
                if (!confirm(would, &status))
                        return status;
        }
        /* What was confirmed, and not what has come to be the oldest meanwhile. */
        if (!call(false, would ? kt_json_get(would, "removed") : NULL, g, &reply, &status))
                return status;
        return print_result(reply, g);
}
