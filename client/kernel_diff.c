/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>

#include "kernel_choice.h"

static void print_option(const char *sign, const char *option, const char *value)
{
        if (value)
                printf("%s%s=%s\n", sign, option, value);
}

static size_t print_options(struct json_object *options)
{
        size_t n = json_object_array_length(options);

        if (n > 0)
                puts("configuration:");
        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(options, i);

                print_option("-", kt_json_str(o, "option"), kt_json_str(o, "a"));
                print_option("+", kt_json_str(o, "option"), kt_json_str(o, "b"));
        }
        return n;
}

static size_t print_side(const char *sign, struct json_object *names)
{
        size_t n = json_object_array_length(names);

        for (size_t i = 0; i < n; i++)
                printf("%s%s\n", sign, json_object_get_string(json_object_array_get_idx(names, i)));
        return n;
}

static size_t print_names(const char *what, struct json_object *names)
{
        struct json_object *a = kt_json_get(names, "a"), *b = kt_json_get(names, "b");

        if (json_object_array_length(a) + json_object_array_length(b) == 0)
                return 0;
        puts(what);
        return print_side("-", a) + print_side("+", b);
}

static void print_diff(struct json_object *reply)
{
        struct json_object *notes = kt_json_get(reply, "notes");
        size_t options, kfuncs, ops, flags, n_notes = json_object_array_length(notes);

        printf("--- %s\n+++ %s\n", kt_json_str(kt_json_get(reply, "a"), "key"),
               kt_json_str(kt_json_get(reply, "b"), "key"));
        for (size_t i = 0; i < n_notes; i++)
                printf("note: %s\n", json_object_get_string(json_object_array_get_idx(notes, i)));
        options = print_options(kt_json_get(reply, "configuration"));
        kfuncs = print_names("kfuncs:", kt_json_get(reply, "kfuncs"));
        ops = print_names("sched_ext_ops:", kt_json_get(reply, "ops"));
        flags = print_names("flags:", kt_json_get(reply, "flags"));
        if (options + kfuncs + ops + flags > 0)
                printf("differences: %zu in the configuration, %zu in kfuncs, %zu in sched_ext_ops, %zu in "
                       "flags\n",
                       options, kfuncs, ops, flags);
        else
                puts(n_notes > 0 ? "no differences in what could be compared" : "no differences");
}

static int add_spec(struct json_object *params, const char *key, const char *text, struct kt_error *reterr)
{
        _cleanup_free_ char *spec = NULL;
        int r = kernel_choice_spec(text, &spec, reterr);

        return r < 0 ? r : kt_json_add_str(params, key, spec);
}

int kernel_diff(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int status;

        if (add_spec(params, "a", argv[0], &err) < 0 || add_spec(params, "b", argv[1], &err) < 0) {
                json_object_put(params);
                return client_tell(&verb_kernel, &err);
        }
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Diff", params, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        print_diff(reply);
        return 0;
}
