/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>
#include <string.h>

#include "../common/fsutil.h"
#include "exit_status.h"

#define WIDTH 100U

static void print_size(const char *what, int64_t bytes)
{
        printf("  %-15s %.1f MiB\n", what, (double)bytes / (1024 * 1024));
}

static void print_text(const char *what, const char *text)
{
        if (text)
                printf("  %-15s %s\n", what, text);
}

/* "FIRST, SECOND", or nothing. */
static void print_list(const char *what, struct json_object *list)
{
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                if (i == 0)
                        printf("  %-15s ", what);
                printf("%s%s", json_object_get_string(json_object_array_get_idx(list, i)),
                       i + 1 < n ? ", " : "\n");
        }
}

/* --- the configuration --- */

/* Those that change what a scheduler sees. A last '*' stands for the rest of a name. */
static const char *const telling[] = {
        "SCHED_CLASS_EXT", "EXT_*",          "PREEMPT*",       "HZ",
        "NO_HZ_FULL",      "NR_CPUS",        "NUMA",           "SCHED_CORE",
        "SCHED_SMT",       "SCHED_MC",       "SCHED_CLUSTER",  "CFS_BANDWIDTH",
        "BPF_JIT",         "UCLAMP_*",       "SCHED_DEBUG",    "SCHEDSTATS",
        "PROVE_LOCKING",   "KASAN",          "DEBUG_INFO_BTF", "PVH",
        "VIRTIO_PCI",      "VIRTIO_CONSOLE", "DEVMEM",
};

/* Of these it is told too when they are off. */
static const char *const always[] = {"SCHED_CLASS_EXT", "DEBUG_INFO_BTF", "PVH", "VIRTIO_PCI",
                                     "VIRTIO_CONSOLE"};

static bool matches(const char *name, size_t len, const char *pattern)
{
        size_t n = strlen(pattern);

        if (pattern[n - 1] == '*')
                return len >= n - 1 && strncmp(name, pattern, n - 1) == 0;
        return len == n && strncmp(name, pattern, n) == 0;
}

static bool print_options(const char *config, const char *pattern)
{
        bool any = false;

        for (const char *line = config; *line;) {
                size_t len = strcspn(line, "\n");

                if (strncmp(line, "CONFIG_", 7) == 0 &&
                    matches(line + 7, strcspn(line + 7, "=\n"), pattern)) {
                        printf("    %.*s\n", (int)len, line);
                        any = true;
                }
                line += len + (line[len] == '\n');
        }
        return any;
}

static void print_config(struct json_object *reply)
{
        const char *config = kt_json_str(reply, "config"), *hash = kt_json_str(reply, "config_hash"),
                   *status = kt_json_str(kt_json_get(reply, "entry"), "kconfig_status");

        if (!config) {
                print_text("configuration:", "not known");
                return;
        }
        printf("  %-15s %s%s%s\n", "configuration:", hash ? hash : "", status ? ", kconfig " : "",
               status ? status : "");
        for (size_t i = 0; i < KT_ARRAY_SIZE(telling); i++) {
                bool any = print_options(config, telling[i]);

                for (size_t j = 0; !any && j < KT_ARRAY_SIZE(always); j++)
                        if (strcmp(always[j], telling[i]) == 0)
                                printf("    # CONFIG_%s is not set\n", telling[i]);
        }
}

/* --- what its sched_ext can do --- */

/* Words in lines that are not too long. */
struct flow {
        unsigned column;
};

static void flow_word(struct flow *f, const char *word)
{
        unsigned len = (unsigned)strlen(word);

        if (f->column > 0 && f->column + 1 + len > WIDTH) {
                putchar('\n');
                f->column = 0;
        }
        f->column += (unsigned)printf("%s%s", f->column == 0 ? "      " : " ", word);
}

static void flow_end(struct flow *f)
{
        if (f->column > 0)
                putchar('\n');
        f->column = 0;
}

static void print_names(const char *what, struct json_object *names)
{
        size_t n = json_object_array_length(names);
        struct flow f = {};

        printf("    %s: %zu\n", what, n);
        for (size_t i = 0; i < n; i++)
                flow_word(&f, json_object_get_string(json_object_array_get_idx(names, i)));
        flow_end(&f);
}

static void print_constants(struct json_object *constants)
{
        size_t n = json_object_array_length(constants);
        const char *before = "";
        struct flow f = {};

        for (size_t i = 0; i < n; i++) {
                struct json_object *c = json_object_array_get_idx(constants, i);
                const char *enumeration = kt_json_str(c, "enumeration");

                if (strcmp(enumeration, before) != 0) {
                        flow_end(&f);
                        printf("    %s:\n", enumeration);
                }
                before = enumeration;
                flow_word(&f, kt_json_str(c, "name"));
        }
        flow_end(&f);
}

static void print_features(struct json_object *reply)
{
        struct json_object *features = kt_json_get(reply, "features");

        print_text("BTF:", features ? NULL : kt_json_str(reply, "features_error"));
        if (features)
                print_size("BTF:", kt_json_int(features, "btf_size", 0));
        else if (!kt_json_str(reply, "features_error"))
                print_text("BTF:", "none");
        print_text("sched_ext:",
                   kt_json_bool(kt_json_get(reply, "entry"), "sched_ext", false) ? "yes" : "no");
        if (!features || json_object_array_length(kt_json_get(features, "ops")) == 0)
                return;
        print_names("kfuncs", kt_json_get(features, "kfuncs"));
        print_names("members of struct sched_ext_ops", kt_json_get(features, "ops"));
        print_constants(kt_json_get(features, "constants"));
}

/* --- all of it --- */

static void print_boots(struct json_object *boots)
{
        size_t n = boots ? json_object_array_length(boots) : 0;

        if (n == 0)
                print_text("boot:", "not measured yet");
        for (size_t i = 0; i < n; i++) {
                struct json_object *b = json_object_array_get_idx(boots, i);
                const long long cpus = (long long)kt_json_int(b, "cpus", 0);

                printf("  %-15s %s, %lld CPU%s: %lld ms, at best %lld ms, of %lld boot%s\n",
                       i == 0 ? "boot:" : "", kt_json_str(b, "accel"), cpus, cpus == 1 ? "" : "s",
                       (long long)kt_json_int(b, "last_ms", 0), (long long)kt_json_int(b, "best_ms", 0),
                       (long long)kt_json_int(b, "boots", 0), kt_json_int(b, "boots", 0) == 1 ? "" : "s");
        }
}

static int print_info(struct json_object *reply)
{
        struct json_object *e = kt_json_get(reply, "entry");
        const char *error = kt_json_str(e, "error");

        puts(kt_json_str(e, "key"));
        if (error) {
                print_text("corrupt:", error);
                print_text("folder:", kt_json_str(e, "path"));
                return 0;
        }
        print_text("release:", kt_json_str(e, "release"));
        print_text("source:", kt_json_str(e, "source"));
        print_list("from:", kt_json_get(e, "imported_from"));
        print_text("taken in:", kt_json_str(e, "built_at"));
        print_text("image:", kt_json_str(e, "image_path"));
        print_size("", kt_json_int(e, "image_size", 0));
        print_text("", kt_json_str(e, "image_sha256"));
        print_list("modules:", kt_json_get(e, "modules"));
        print_config(reply);
        print_features(reply);
        print_boots(kt_json_get(reply, "boots"));
        return 0;
}

static int print_config_alone(struct json_object *reply, const char *key)
{
        const char *config = kt_json_str(reply, "config");

        if (!config) {
                fprintf(stderr,
                        "ktstrctl: kernel: the configuration of %s is not known; import it again with it\n",
                        key);
                return EXIT_STATUS_FAIL;
        }
        fputs(config, stdout);
        return 0;
}

int kernel_info(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int status;

        kt_json_add_str(params, "key", argv[0]);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Info", params, &reply, &status))
                return status;
        if (kernel_options.config)
                return print_config_alone(reply, argv[0]);
        return g->json ? simple_print_json(reply) : print_info(reply);
}
