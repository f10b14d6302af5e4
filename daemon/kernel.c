/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../kconfig/kconfig.h"
#include "../proto/codec.h"

#define METADATA_MAX (1024U * 1024U)
#define CORRUPT_MAX 4096U

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

/* Texts that may be missing: what only kernels have that were built here, and what earlier ones have not. */
static const struct {
        const char *key;
        size_t offset;
} optional_members[] = {
        {"profile", offsetof(struct kernel, profile)},
        {"ktstr_kconfig_hash", offsetof(struct kernel, kconfig_hash)},
        {"extra_kconfig_hash", offsetof(struct kernel, extra_kconfig_hash)},
        {"config_hash", offsetof(struct kernel, config_hash)},
        {"git_url", offsetof(struct kernel, git_url)},
        {"git_ref", offsetof(struct kernel, git_ref)},
        {"git_hash", offsetof(struct kernel, git_hash)},
        {"source_tree_path", offsetof(struct kernel, tree_path)},
        {"source_sha256", offsetof(struct kernel, source_sha256)},
        {"btf_sha256", offsetof(struct kernel, btf_sha256)},
        {"config_sha256", offsetof(struct kernel, config_sha256)},
};

static char **optional_member(const struct kernel *k, size_t i)
{
        return (char **)((char *)k + optional_members[i].offset);
}

void kernel_free(struct kernel *k)
{
        if (!k)
                return;
        free(k->key);
        free(k->path);
        free(k->release);
        free(k->version);
        free(k->arch);
        free(k->source);
        free(k->built_at);
        free(k->image_path);
        free(k->btf_path);
        free(k->config_path);
        free(k->image_sha256);
        free_strings(k->modules);
        free_strings(k->imported_from);
        for (size_t i = 0; i < KT_ARRAY_SIZE(optional_members); i++)
                free(*optional_member(k, i));
        free(k->error);
        free(k->error_kind);
        free(k);
}

bool kernel_is_built(const struct kernel *k)
{
        static const char *const sources[] = {"tarball", "git", "local"};

        for (size_t i = 0; k->source && i < KT_ARRAY_SIZE(sources); i++)
                if (strcmp(k->source, sources[i]) == 0)
                        return true;
        return false;
}

enum kernel_rank kernel_rank(const struct kernel *k)
{
        if (strcmp(k->source, "tree") == 0 || strcmp(k->source, "local") == 0)
                return KERNEL_OWN;
        if (k->extra_kconfig_hash ||
            (k->profile && strcmp(k->profile, kconfig_profile_name(KCONFIG_DEFAULT)) != 0))
                return KERNEL_VARIANT;
        return kernel_is_built(k) && (k->source_sha256 || strcmp(k->source, "tarball") != 0) ? KERNEL_PATCHED
                                                                                             : KERNEL_PLAIN;
}

enum kconfig_status kernel_kconfig_status(const struct kernel *k)
{
        enum kconfig_profile profile = KCONFIG_DEFAULT;
        char hash[KCONFIG_HASH_SIZE];

        if (!kernel_is_built(k))
                return KCONFIG_MATCHES;
        if (!k->kconfig_hash)
                return KCONFIG_UNTRACKED;
        /* Of a profile that is no more nothing can match. */
        if (k->profile && kconfig_profile_from(k->profile, &profile) < 0)
                return KCONFIG_STALE;
        kconfig_hash(profile, hash);
        return strcmp(hash, k->kconfig_hash) == 0 ? KCONFIG_MATCHES : KCONFIG_STALE;
}

const char *kconfig_status_name(enum kconfig_status status)
{
        static const char *const names[] = {
                [KCONFIG_MATCHES] = "matches", [KCONFIG_STALE] = "stale", [KCONFIG_UNTRACKED] = "untracked"};

        return names[status];
}

bool kernel_key_is_valid(const char *key)
{
        if (!*key || *key == '.' || strlen(key) > 200 || strstr(key, ".."))
                return false;
        for (const char *p = key; *p; p++)
                if (*p == '/' || *p == '\\' || (unsigned char)*p <= ' ' || *p == 0x7f)
                        return false;
        return true;
}

static int corrupt(struct kernel *k, const char *kind, char *text)
{
        k->error_kind = strdup(kind);
        k->error = text;
        return k->error && k->error_kind ? 0 : -ENOMEM;
}

static bool is_string(struct json_object *o, const char *key)
{
        return json_object_is_type(kt_json_get(o, key), json_type_string);
}

static bool is_bool(struct json_object *o, const char *key)
{
        return json_object_is_type(kt_json_get(o, key), json_type_boolean);
}

/* An array of strings, each of which is a file name where they are to be. */
static bool is_strings(struct json_object *o, const char *key, bool file_names)
{
        struct json_object *array = kt_json_get(o, key);

        if (!json_object_is_type(array, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *s = json_object_array_get_idx(array, i);

                if (!json_object_is_type(s, json_type_string) ||
                    (file_names && !kernel_key_is_valid(json_object_get_string(s))))
                        return false;
        }
        return true;
}

static char **take_strings(struct json_object *array)
{
        size_t n = json_object_array_length(array);
        char **strings = calloc(n + 1, sizeof(char *));

        for (size_t i = 0; strings && i < n; i++) {
                strings[i] = strdup(json_object_get_string(json_object_array_get_idx(array, i)));
                if (!strings[i]) {
                        free_strings(strings);
                        return NULL;
                }
        }
        return strings;
}

/* Which required member is missing or of another type, NULL when all are right. */
static const char *missing_member(struct json_object *o)
{
        static const char *const strings[] = {"key",    "release",  "version",    "arch",
                                              "source", "built_at", "image_name", "image_sha256"};
        static const char *const bools[] = {"has_btf", "has_config", "sched_ext", "devmem"};

        if (!json_object_is_type(o, json_type_object))
                return "all its members";
        for (size_t i = 0; i < KT_ARRAY_SIZE(strings); i++)
                if (!is_string(o, strings[i]))
                        return strings[i];
        for (size_t i = 0; i < KT_ARRAY_SIZE(bools); i++)
                if (!is_bool(o, bools[i]))
                        return bools[i];
        if (!is_strings(o, "modules", true))
                return "modules";
        if (!is_strings(o, "imported_from", false))
                return "imported_from";
        return json_object_is_type(kt_json_get(o, "image_size"), json_type_int) ? NULL : "image_size";
}

/* What else the entry says it has. */
static int check_companions(struct kernel *k)
{
        const char *gone = NULL;
        _cleanup_free_ char *module = NULL;

        if (k->btf_path && access(k->btf_path, F_OK) < 0)
                gone = k->btf_path;
        if (k->config_path && access(k->config_path, F_OK) < 0)
                gone = k->config_path;
        for (char **m = k->modules; !gone && *m; m++) {
                free(module);
                module = kt_format("%s/modules/%s", k->path, *m);
                if (!module)
                        return -ENOMEM;
                if (access(module, F_OK) < 0)
                        gone = module;
        }
        return gone ? corrupt(k, "unknown", kt_format("its file %s is missing", gone)) : 0;
}

static int fill(struct kernel *k, struct json_object *o)
{
        struct stat st;

        k->release = strdup(kt_json_str(o, "release"));
        k->version = strdup(kt_json_str(o, "version"));
        k->arch = strdup(kt_json_str(o, "arch"));
        k->source = strdup(kt_json_str(o, "source"));
        k->built_at = strdup(kt_json_str(o, "built_at"));
        k->image_sha256 = strdup(kt_json_str(o, "image_sha256"));
        k->image_size = (uint64_t)kt_json_int(o, "image_size", 0);
        k->has_btf = kt_json_bool(o, "has_btf", false);
        k->has_config = kt_json_bool(o, "has_config", false);
        k->sched_ext = kt_json_bool(o, "sched_ext", false);
        k->devmem = kt_json_bool(o, "devmem", true);
        k->modules = take_strings(kt_json_get(o, "modules"));
        k->imported_from = take_strings(kt_json_get(o, "imported_from"));
        k->image_path = kt_path_join(k->path, "vmlinux");
        k->btf_path = k->has_btf ? kt_path_join(k->path, "btf") : NULL;
        k->config_path = k->has_config ? kt_path_join(k->path, "config") : NULL;
        if (!k->release || !k->version || !k->arch || !k->source || !k->built_at || !k->image_sha256 ||
            !k->image_path || (k->has_btf && !k->btf_path) || (k->has_config && !k->config_path) ||
            !k->modules || !k->imported_from)
                return -ENOMEM;
        for (size_t i = 0; i < KT_ARRAY_SIZE(optional_members); i++) {
                const char *text = kt_json_str(o, optional_members[i].key);

                *optional_member(k, i) = text ? strdup(text) : NULL;
                if (text && !*optional_member(k, i))
                        return -ENOMEM;
        }
        if (stat(k->image_path, &st) < 0 || (uint64_t)st.st_size != k->image_size)
                return corrupt(k, "image_missing",
                               kt_format("its image %s is missing or has another size", k->image_path));
        return check_companions(k);
}

/* Somebody used it and found that it is not what was stored. 1 when that is so. */
static int look_for_mark(struct kernel *k)
{
        _cleanup_free_ char *path = kt_path_join(k->path, KERNEL_CORRUPT_MARK), *text = NULL;
        size_t size;
        int r = path ? kt_read_file(AT_FDCWD, path, CORRUPT_MAX, &text, &size) : -ENOMEM;

        if (r == -ENOENT || r == -ENOMEM)
                return r == -ENOENT ? 0 : r;
        if (r >= 0)
                text[strcspn(text, "\n")] = '\0';
        r = corrupt(k, "unknown",
                    r < 0 || !*text ? strdup("it was found not to be what was stored") : TAKE_PTR(text));
        return r < 0 ? r : 1;
}

static int load_into(struct kernel *k, const char *root)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *missing;
        size_t size;
        int r;

        k->path = kt_path_join(root, k->key);
        path = k->path ? kt_path_join(k->path, "metadata.json") : NULL;
        if (!path)
                return -ENOMEM;
        r = kt_read_file(AT_FDCWD, path, METADATA_MAX, &text, &size);
        if (r == -ENOENT)
                return corrupt(k, "missing", strdup("metadata.json is missing"));
        if (r < 0)
                return corrupt(k, "unreadable", kt_format("metadata.json: %s", strerror(-r)));
        if (kt_json_parse(text, size, &o, &err) < 0) {
                /* Cut in the middle of a value, or no JSON at all? */
                struct json_tokener *t = json_tokener_new();
                struct json_object *part = t ? json_tokener_parse_ex(t, text, (int)size) : NULL;
                bool cut = t && json_tokener_get_error(t) == json_tokener_continue;

                json_object_put(part);
                if (t)
                        json_tokener_free(t);
                return corrupt(k, cut ? "truncated" : "malformed",
                               kt_format("metadata.json is %s: %s", cut ? "cut off" : "no JSON",
                                         kt_error_text(&err)));
        }
        missing = missing_member(o);
        if (missing)
                return corrupt(k, "schema_drift",
                               kt_format("metadata.json lacks %s, or has it in another form", missing));
        r = look_for_mark(k);
        return r == 0 ? fill(k, o) : r < 0 ? r : 0;
}

int kernel_load(const char *root, const char *key, struct kernel **ret)
{
        struct kernel *k = calloc(1, sizeof(*k));
        int r = -ENOMEM;

        if (k)
                k->key = strdup(key);
        if (k && k->key)
                r = load_into(k, root);
        if (r < 0) {
                kernel_free(k);
                return r;
        }
        *ret = k;
        return 0;
}

static void add_strings(struct json_object *o, const char *key, char **strings)
{
        struct json_object *a = json_object_new_array();

        for (char **s = strings; s && *s; s++)
                json_object_array_add(a, json_object_new_string(*s));
        kt_json_add(o, key, a);
}

char *kernel_metadata(const struct kernel *k)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        const char *text;

        kt_json_add_str(o, "key", k->key);
        kt_json_add_str(o, "release", k->release);
        kt_json_add_str(o, "version", k->version);
        kt_json_add_str(o, "arch", k->arch);
        kt_json_add_str(o, "source", k->source);
        kt_json_add_str(o, "built_at", k->built_at);
        kt_json_add_str(o, "image_name", "vmlinux");
        kt_json_add_int(o, "image_size", (int64_t)k->image_size);
        kt_json_add_str(o, "image_sha256", k->image_sha256);
        kt_json_add_bool(o, "has_btf", k->has_btf);
        kt_json_add_bool(o, "has_config", k->has_config);
        kt_json_add_bool(o, "sched_ext", k->sched_ext);
        kt_json_add_bool(o, "devmem", k->devmem);
        add_strings(o, "modules", k->modules);
        add_strings(o, "imported_from", k->imported_from);
        for (size_t i = 0; i < KT_ARRAY_SIZE(optional_members); i++)
                kt_json_add_str(o, optional_members[i].key, *optional_member(k, i));
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? strdup(text) : NULL;
}
