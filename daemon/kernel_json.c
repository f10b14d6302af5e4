/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_json.h"

#include "../proto/codec.h"

static void add_strings(struct json_object *o, const char *key, char *const *strings)
{
        struct json_object *a = json_object_new_array();

        for (; strings && *strings; strings++)
                json_object_array_add(a, json_object_new_string(*strings));
        kt_json_add(o, key, a);
}

struct json_object *kernel_json(const struct kernel *k)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "key", k->key);
        kt_json_add_str(o, "path", k->path);
        kt_json_add_str(o, "error", k->error);
        kt_json_add_str(o, "error_kind", k->error_kind);
        if (k->error)
                return o;
        kt_json_add_str(o, "release", k->release);
        kt_json_add_str(o, "version", k->version);
        kt_json_add_str(o, "source", k->source);
        kt_json_add_str(o, "arch", k->arch);
        kt_json_add_str(o, "built_at", k->built_at);
        kt_json_add_str(o, "image_path", k->image_path);
        kt_json_add_int(o, "image_size", (int64_t)k->image_size);
        kt_json_add_str(o, "image_sha256", k->image_sha256);
        kt_json_add_bool(o, "has_btf", k->has_btf);
        kt_json_add_bool(o, "has_config", k->has_config);
        kt_json_add_bool(o, "sched_ext", k->sched_ext);
        add_strings(o, "modules", k->modules);
        add_strings(o, "imported_from", k->imported_from);
        return o;
}
