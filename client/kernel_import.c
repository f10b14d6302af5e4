/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

int kernel_files_init(struct kernel_files *f, struct kt_error *reterr)
{
        *f = (struct kernel_files){.list = json_object_new_array()};
        return bundle_init(&f->bundle, reterr);
}

void kernel_files_done(struct kernel_files *f)
{
        bundle_done(&f->bundle);
        json_object_put(f->list);
}

static bool is_url(const char *text)
{
        return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static int add_url(struct kernel_files *f, const char *url)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "name", url);
        kt_json_add_str(o, "url", url);
        json_object_array_add(f->list, o);
        return 0;
}

int kernel_files_add(struct kernel_files *f, const char *path, struct kt_error *reterr)
{
        struct json_object *o;
        int fd, index;

        if (is_url(path))
                return add_url(f, path);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot open %s: %s", path,
                                    strerror(errno));
        index = bundle_add_fd(&f->bundle, fd, reterr);
        if (index < 0)
                return index;
        o = json_object_new_object();
        kt_json_add_str(o, "name", path);
        kt_json_add_int(o, "file_fd", index);
        json_object_array_add(f->list, o);
        return 0;
}

/* For somebody who watches: one line that changes and is gone in the end. A log has no use for it. */
static void show_stage(const char *stage)
{
        if (isatty(STDERR_FILENO))
                fprintf(stderr, stage ? "\r\033[K%s…" : "\r\033[K", stage);
}

static int receive(struct rpc *rpc, struct json_object **ret, struct kt_error *reterr)
{
        bool continues = true;
        int r = 0;

        while (r >= 0 && continues) {
                json_object_put(TAKE_PTR(*ret));
                r = rpc_receive(rpc, ret, &continues, reterr);
                if (r == -EINTR)
                        r = 0;
                else if (r >= 0 && continues && kt_json_str(*ret, "stage"))
                        show_stage(kt_json_str(*ret, "stage"));
        }
        show_stage(NULL);
        return r;
}

int kernel_files_import(struct kernel_files *f, struct rpc *rpc, struct json_object **ret,
                        struct kt_error *reterr)
{
        struct json_object *params = json_object_new_object();
        int r;

        kt_json_add(params, "files", json_object_get(f->list));
        r = rpc_send(rpc, "io.ktstrd.Kernel.Import", params, true, f->bundle.fds, f->bundle.n, reterr);
        return r < 0 ? r : receive(rpc, ret, reterr);
}

void kernel_print_import(struct json_object *reply)
{
        struct json_object *e = kt_json_get(reply, "entry");

        printf("%s %s%s\n", kt_json_bool(reply, "existed", false) ? "already cached:" : "imported:",
               kt_json_str(e, "key"), kernel_marks(e));
}

/* --- what lies beside a lone image, where the daemon, which gets descriptors, cannot look --- */

static bool is_file(const char *path)
{
        struct stat st;

        return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

static bool is_folder(const char *path)
{
        struct stat st;

        return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int kernel_config_says(const char *path, const char *line)
{
        _cleanup_free_ char *text = NULL;
        const size_t len = strlen(line);
        int r = kt_read_file(AT_FDCWD, path, CONFIG_SIZE_MAX, &text, NULL);

        if (r < 0)
                return r;
        for (const char *p = text; *p;) {
                size_t n = strcspn(p, "\n");

                if (n == len && strncmp(p, line, len) == 0)
                        return 1;
                p += n + (p[n] == '\n');
        }
        return 0;
}

bool kernel_needs_modules(const char *config)
{
        return kernel_config_says(config, "CONFIG_VIRTIO_PCI=m") > 0 ||
               kernel_config_says(config, "CONFIG_VIRTIO_CONSOLE=m") > 0;
}

/* config-RELEASE and ../lib/modules/RELEASE by vmlinuz-RELEASE where it is installed, or modules around
 * vmlinuz; .config where it was built. Without a configuration beside it, the one that is in it may ask for
 * the modules too. */
static void add_what_is_beside(struct kernel_files *f, const char *path)
{
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, *config = NULL;
        _cleanup_free_ char *of_release = NULL, *of_build = NULL, *modules = NULL;

        if (strncmp(name, "vmlinuz", 7) != 0 && strncmp(name, "vmlinux", 7) != 0 &&
            strncmp(name, "bzImage", 7) != 0)
                return;
        if (strcmp(name, "vmlinuz") == 0) {
                _cleanup_free_ char *sign = kt_format("%.*smodules.dep", (int)(name - path), path);

                if (is_file(sign))
                        modules = kt_format("%.*s.", (int)(name - path), path);
        }
        of_build = kt_format("%.*s.config", (int)(name - path), path);
        if (name[7] == '-') {
                of_release = kt_format("%.*sconfig%s", (int)(name - path), path, name + 7);
                modules = kt_format("%.*s../lib/modules/%s", (int)(name - path), path, name + 8);
        }
        config = is_file(of_release) ? of_release : is_file(of_build) ? of_build : NULL;
        if (config)
                (void)kernel_files_add(f, config, NULL);
        if (is_folder(modules) && (!config || kernel_needs_modules(config)))
                (void)kernel_files_add(f, modules, NULL);
}

static int add_all(struct kernel_files *f, int argc, char **argv, struct kt_error *reterr)
{
        int r = kernel_files_init(f, reterr);

        for (int i = 0; r >= 0 && i < argc; i++)
                r = kernel_files_add(f, argv[i], reterr);
        if (r >= 0 && argc == 1 && !is_url(argv[0]))
                add_what_is_beside(f, argv[0]);
        return r;
}

int kernel_import(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _kernel_files_ struct kernel_files files = {};
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        _cleanup_json_ struct json_object *reply = NULL;
        int status;

        if (kernel_options.installed)
                return kernel_import_installed(kernel_options.root ? kernel_options.root : "/", g);
        if (add_all(&files, argc, argv, &err) < 0)
                return client_tell(&verb_kernel, &err);
        if (!client_connect_or_tell(&verb_kernel, g, &rpc, &status))
                return status;
        if (kernel_files_import(&files, &rpc, &reply, &err) < 0)
                return client_tell(&verb_kernel, &err);
        if (g->json)
                return simple_print_json(kt_json_get(reply, "entry"));
        kernel_print_import(reply);
        return 0;
}
