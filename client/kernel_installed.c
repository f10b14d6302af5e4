/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "exit_status.h"
#include "kernel_import.h"

/* Where modules are, of a system whose /usr is merged and of another. */
#define MODULE_FOLDERS                                                                                      \
        {                                                                                                   \
                "lib/modules", "usr/lib/modules"                                                            \
        }

struct installed {
        char *release, *image;
};

struct run {
        const char *root;
        struct globals *g;
        struct installed *kernels;
        size_t n;

        struct rpc rpc;
        bool connected;
        unsigned taken;
        struct json_object *imported, *skipped; /* for --json */
};

/* --- which are there --- */

static bool is_known(const struct run *run, const char *release)
{
        for (size_t i = 0; i < run->n; i++)
                if (strcmp(run->kernels[i].release, release) == 0)
                        return true;
        return false;
}

/* Takes image. */
static int add_kernel(struct run *run, const char *release, char *image)
{
        struct installed *grown;

        if (!image || access(image, F_OK) < 0 || is_known(run, release)) {
                free(image);
                return 0;
        }
        grown = realloc(run->kernels, (run->n + 1) * sizeof(*grown));
        if (!grown) {
                free(image);
                return -ENOMEM;
        }
        run->kernels = grown;
        grown[run->n] = (struct installed){strdup(release), image};
        return grown[run->n++].release ? 0 : -ENOMEM;
}

static int look_in_boot(struct run *run)
{
        _cleanup_free_ char *path = kt_path_join(run->root, "boot");
        _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
        struct dirent *e;
        int r = 0;

        while (r >= 0 && dir && (e = readdir(dir)))
                if (strncmp(e->d_name, "vmlinuz-", 8) == 0)
                        r = add_kernel(run, e->d_name + 8, kt_path_join(path, e->d_name));
        return r;
}

static int look_in_modules(struct run *run, const char *folder)
{
        _cleanup_free_ char *path = kt_path_join(run->root, folder);
        _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
        struct dirent *e;
        int r = 0;

        while (r >= 0 && dir && (e = readdir(dir)))
                if (e->d_name[0] != '.')
                        r = add_kernel(run, e->d_name, kt_format("%s/%s/vmlinuz", path, e->d_name));
        return r;
}

static int by_release(const void *a, const void *b)
{
        return strverscmp(((const struct installed *)a)->release, ((const struct installed *)b)->release);
}

static int look_around(struct run *run)
{
        static const char *const folders[] = MODULE_FOLDERS;
        int r = look_in_boot(run);

        for (size_t i = 0; r >= 0 && i < KT_ARRAY_SIZE(folders); i++)
                r = look_in_modules(run, folders[i]);
        if (run->n > 0)
                qsort(run->kernels, run->n, sizeof(*run->kernels), by_release);
        return r;
}

/* --- one of them --- */

static char *existing(char *path)
{
        if (path && access(path, F_OK) == 0)
                return path;
        free(path);
        return NULL;
}

static char *find_config(const struct run *run, const char *release)
{
        static const char *const folders[] = MODULE_FOLDERS;
        char *path = existing(kt_format("%s/boot/config-%s", run->root, release));

        for (size_t i = 0; !path && i < KT_ARRAY_SIZE(folders); i++)
                path = existing(kt_format("%s/%s/%s/config", run->root, folders[i], release));
        return path;
}

static char *find_modules(const struct run *run, const char *release)
{
        static const char *const folders[] = MODULE_FOLDERS;
        char *path = NULL;

        for (size_t i = 0; !path && i < KT_ARRAY_SIZE(folders); i++)
                path = existing(kt_format("%s/%s/%s", run->root, folders[i], release));
        return path;
}

static void skip(struct run *run, const char *release, const char *why)
{
        struct json_object *o;

        if (!run->g->json) {
                fprintf(stderr, "skipped: %s: %s\n", release, why);
                return;
        }
        o = json_object_new_object();
        kt_json_add_str(o, "release", release);
        kt_json_add_str(o, "reason", why);
        json_object_array_add(run->skipped, o);
}

/* Why it is not to be imported, or NULL. */
static const char *objection(const char *config)
{
        int says = config ? kernel_config_says(config, "CONFIG_SCHED_CLASS_EXT=y") : 0;

        if (!config)
                return "its configuration is neither in /boot nor with its modules";
        if (says < 0)
                return "its configuration cannot be read";
        return says ? NULL : "it has no sched_ext (CONFIG_SCHED_CLASS_EXT)";
}

static int open_files(struct kernel_files *files, const struct run *run, const struct installed *k,
                      const char *config, struct kt_error *reterr)
{
        _cleanup_free_ char *modules = kernel_needs_modules(config) ? find_modules(run, k->release) : NULL;
        int r = kernel_files_init(files, reterr);

        if (r >= 0)
                r = kernel_files_add(files, k->image, reterr);
        if (r >= 0)
                r = kernel_files_add(files, config, reterr);
        if (r >= 0 && modules)
                r = kernel_files_add(files, modules, reterr);
        return r;
}

/* A failure of one is no failure of the others. False: there is no daemon, *ret_status says so. */
static bool take(struct run *run, const struct installed *k, int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        _cleanup_free_ char *config = find_config(run, k->release);
        _kernel_files_ struct kernel_files files = {};
        const char *why = objection(config);

        if (why) {
                skip(run, k->release, why);
                return true;
        }
        if (open_files(&files, run, k, config, &err) < 0) {
                skip(run, k->release, kt_error_text(&err));
                return true;
        }
        if (!run->connected && !client_connect_or_tell(&verb_kernel, run->g, &run->rpc, ret_status))
                return false;
        run->connected = true;
        if (kernel_files_import(&files, &run->rpc, &reply, &err) < 0) {
                if (exit_status_of_error(err.name) == EXIT_STATUS_NO_DAEMON) {
                        *ret_status = client_tell(&verb_kernel, &err);
                        return false;
                }
                skip(run, k->release, kt_error_text(&err));
                return true;
        }
        run->taken++;
        if (run->g->json)
                json_object_array_add(run->imported, json_object_get(kt_json_get(reply, "entry")));
        else
                kernel_print_import(reply);
        return true;
}

/* --- all of them --- */

static void run_done(struct run *run)
{
        rpc_done(&run->rpc);
        for (size_t i = 0; i < run->n; i++) {
                free(run->kernels[i].release);
                free(run->kernels[i].image);
        }
        free(run->kernels);
        json_object_put(run->imported);
        json_object_put(run->skipped);
}

static int finish(struct run *run)
{
        if (run->g->json) {
                _cleanup_json_ struct json_object *o = json_object_new_object();

                kt_json_add(o, "imported", json_object_get(run->imported));
                kt_json_add(o, "skipped", json_object_get(run->skipped));
                simple_print_json(o);
        }
        if (run->taken > 0)
                return EXIT_STATUS_PASS;
        if (run->n == 0)
                fprintf(stderr,
                        "ktstrctl: kernel: no kernel is installed below %s: neither boot/vmlinuz-* nor "
                        "lib/modules/*/vmlinuz\n",
                        run->root);
        else
                fprintf(stderr, "ktstrctl: kernel: none of the kernels below %s (%zu) could be imported\n",
                        run->root, run->n);
        return EXIT_STATUS_FAIL;
}

int kernel_import_installed(const char *root, struct globals *g)
{
        _cleanup_(run_done) struct run run = {.root = root,
                                              .g = g,
                                              .rpc = {.fd = -1},
                                              .imported = json_object_new_array(),
                                              .skipped = json_object_new_array()};
        int status = 0;

        if (look_around(&run) < 0) {
                fputs("ktstrctl: kernel: out of memory\n", stderr);
                return EXIT_STATUS_HARNESS;
        }
        for (size_t i = 0; i < run.n; i++)
                if (!take(&run, &run.kernels[i], &status))
                        return status;
        return finish(&run);
}
