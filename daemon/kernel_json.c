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

/* Null where there is none, which is told from what an older daemon does not know. */
static void add_text_or_null(struct json_object *o, const char *key, const char *text)
{
        json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

/* Of one that was built here. */
static void add_build(struct json_object *o, const struct kernel *k)
{
        add_text_or_null(o, "ktstr_kconfig_hash", k->kconfig_hash);
        add_text_or_null(o, "config_hash", k->config_hash);
        /* Of one that comes from elsewhere nothing is expected. */
        if (kernel_is_built(k))
                kt_json_add_str(o, "kconfig_status", kconfig_status_name(kernel_kconfig_status(k)));
        kt_json_add_str(o, "extra_kconfig_hash", k->extra_kconfig_hash);
        kt_json_add_str(o, "profile", k->profile);
        kt_json_add_str(o, "git_url", k->git_url);
        kt_json_add_str(o, "git_ref", k->git_ref);
        kt_json_add_str(o, "git_hash", k->git_hash);
        kt_json_add_str(o, "source_tree_path", k->tree_path);
        kt_json_add_str(o, "source_sha256", k->source_sha256);
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
        kt_json_add_str(o, "image_name", "vmlinux");
        kt_json_add_str(o, "image_path", k->image_path);
        kt_json_add_int(o, "image_size", (int64_t)k->image_size);
        kt_json_add_str(o, "image_sha256", k->image_sha256);
        kt_json_add_bool(o, "has_btf", k->has_btf);
        kt_json_add_bool(o, "has_config", k->has_config);
        kt_json_add_bool(o, "sched_ext", k->sched_ext);
        add_strings(o, "modules", k->modules);
        add_strings(o, "imported_from", k->imported_from);
        /* What is booted is the ELF, without its debug sections. */
        kt_json_add_bool(o, "has_vmlinux", true);
        kt_json_add_bool(o, "vmlinux_stripped", true);
        add_build(o, k);
        return o;
}
