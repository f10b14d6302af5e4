/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "bundle.h"
#include "exit_status.h"
#include "request.h"
#include "simple.h"

static const char usage[] =
        "ktstrctl kernel import FILE...|DIR   take a kernel into the cache: Debian packages (image; from "
        "6.19 on\n"
        "                                     linux-binary, linux-base and linux-modules together), a "
        "vmlinuz or\n"
        "                                     bzImage, an ELF vmlinux, a built source tree\n"
        "ktstrctl kernel list                 what is cached\n"
        "ktstrctl kernel info KEY             one entry, as JSON\n"
        "ktstrctl kernel resolve [SPEC]       which kernel a job with --kernel SPEC would get\n"
        "ktstrctl kernel remove KEY...        take it out of the cache\n\n"
        "  --json               machine-readable\n"
        "  --socket PATH, --no-autostart\n";

/* --- import --- */

static int add_file(struct json_object *files, struct bundle *b, const char *path, struct kt_error *reterr)
{
        struct json_object *o = json_object_new_object();
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), index;

        if (fd < 0) {
                json_object_put(o);
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot open %s: %s", path,
                                    strerror(errno));
        }
        index = bundle_add_fd(b, fd, reterr);
        if (index < 0)
                return index;
        kt_json_add_str(o, "name", path);
        kt_json_add_int(o, "file_fd", index);
        json_object_array_add(files, o);
        return 0;
}

static bool is_file(const char *path)
{
        struct stat st;

        return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

/* A lone image has its configuration beside it, where the daemon, which gets descriptors, cannot look:
 * config-RELEASE by vmlinuz-RELEASE where it is installed, .config where it was built. */
static void add_config_beside(struct json_object *files, struct bundle *b, const char *path)
{
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        _cleanup_free_ char *of_release = NULL, *of_build = NULL;

        if (strncmp(name, "vmlinuz", 7) != 0 && strncmp(name, "vmlinux", 7) != 0 &&
            strncmp(name, "bzImage", 7) != 0)
                return;
        of_build = kt_format("%.*s.config", (int)(name - path), path);
        if (name[7] == '-')
                of_release = kt_format("%.*sconfig%s", (int)(name - path), path, name + 7);
        if (is_file(of_release))
                (void)add_file(files, b, of_release, NULL);
        else if (is_file(of_build))
                (void)add_file(files, b, of_build, NULL);
}

/* For somebody who watches: one line that changes and is gone in the end. A log has no use for it. */
static void show_stage(const char *stage)
{
        if (isatty(STDERR_FILENO))
                fprintf(stderr, stage ? "\r\033[K%s…" : "\r\033[K", stage);
}

/* What keeps it from running schedulers. */
static const char *marks(struct json_object *entry)
{
        bool sched_ext = kt_json_bool(entry, "sched_ext", false),
             btf = kt_json_bool(entry, "has_btf", false);

        if (!sched_ext)
                return btf ? " (no sched_ext)" : " (no sched_ext) (no BTF)";
        return btf ? "" : " (no BTF)";
}

static int print_import(struct json_object *reply, const struct globals *g)
{
        struct json_object *e = kt_json_get(reply, "entry");

        if (g->json)
                return simple_print_json(e);
        printf("%s %s%s\n", kt_json_bool(reply, "existed", false) ? "already cached:" : "imported:",
               kt_json_str(e, "key"), marks(e));
        return 0;
}

static int import(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(bundle_done) struct bundle b = {};
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object(), *files = json_object_new_array();
        bool continues = true;
        int r, status;

        kt_json_add(params, "files", files);
        r = bundle_init(&b, &err);
        for (int i = 0; r >= 0 && i < argc; i++)
                r = add_file(files, &b, argv[i], &err);
        if (r >= 0 && argc == 1)
                add_config_beside(files, &b, argv[0]);
        if (r < 0) {
                json_object_put(params);
                return client_tell(&verb_kernel, &err);
        }
        if (!client_connect_or_tell(&verb_kernel, g, &rpc, &status)) {
                json_object_put(params);
                return status;
        }
        r = rpc_send(&rpc, "io.ktstrd.Kernel.Import", params, true, b.fds, b.n, &err);
        while (r >= 0 && continues) {
                json_object_put(TAKE_PTR(reply));
                r = rpc_receive(&rpc, &reply, &continues, &err);
                if (r == -EINTR)
                        r = 0;
                else if (r >= 0 && continues && kt_json_str(reply, "stage"))
                        show_stage(kt_json_str(reply, "stage"));
        }
        show_stage(NULL);
        return r < 0 ? client_tell(&verb_kernel, &err) : print_import(reply, g);
}

/* --- list --- */

static void print_entry(struct json_object *e)
{
        const char *error = kt_json_str(e, "error"), *version = kt_json_str(e, "version");

        if (error)
                printf("  %-48s (corrupt: %s)\n", kt_json_str(e, "key"), error);
        else
                printf("  %-48s %-12s %-8s %-7s %s%s\n", kt_json_str(e, "key"), version ? version : "-",
                       kt_json_str(e, "source"), kt_json_str(e, "arch"), kt_json_str(e, "built_at"),
                       marks(e));
}

static int list(int argc, char **argv, struct globals *g)
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

/* --- info, resolve, remove --- */

static int info(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int status;

        kt_json_add_str(params, "key", argv[0]);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Info", params, &reply, &status))
                return status;
        return simple_print_json(kt_json_get(reply, "entry"));
}

static int resolve(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object(), *e;
        int status;

        if (argc > 0)
                request_kernel(params, argv[0]);
        request_defaults(params);
        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.Resolve", params, &reply, &status))
                return status;
        e = kt_json_get(reply, "entry");
        if (g->json)
                return simple_print_json(e);
        puts(kt_json_str(e, "key"));
        return 0;
}

static int remove_entries(int argc, char **argv, struct globals *g)
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

static const struct {
        const char *name;
        int (*run)(int argc, char **argv, struct globals *g);
        int min, max;
        const char *wants;
} verbs[] = {
        {"import", import, 1, 3, "one to three files, or a folder"},
        {"list", list, 0, 0, "no argument"},
        {"info", info, 1, 1, "one key"},
        {"resolve", resolve, 0, 1, "at most one kernel"},
        {"remove", remove_entries, 1, 1000, "a key"},
};

static int run(int argc, char **argv, struct globals *g)
{
        int status = simple_options(&verb_kernel, argc, argv, g), n = argc - optind - 1;

        if (status >= 0)
                return status;
        if (n < 0)
                return verb_usage_error(&verb_kernel, "say what: import, list, info, resolve or remove");
        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++) {
                if (strcmp(argv[optind], verbs[i].name) != 0)
                        continue;
                if (n < verbs[i].min || n > verbs[i].max)
                        return verb_usage_error(&verb_kernel, "%s takes %s", verbs[i].name, verbs[i].wants);
                return verbs[i].run(n, argv + optind + 1, g);
        }
        return verb_usage_error(&verb_kernel,
                                "there is no '%s'; there are import, list, info, resolve and remove",
                                argv[optind]);
}

const struct verb verb_kernel = {"kernel", "the kernel cache: import, list, info, resolve, remove", usage,
                                 run};
