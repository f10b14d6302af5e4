/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "bundle.h"

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

static int print_import(struct json_object *reply, const struct globals *g)
{
        struct json_object *e = kt_json_get(reply, "entry");

        if (g->json)
                return simple_print_json(e);
        printf("%s %s%s\n", kt_json_bool(reply, "existed", false) ? "already cached:" : "imported:",
               kt_json_str(e, "key"), kernel_marks(e));
        return 0;
}

int kernel_import(int argc, char **argv, struct globals *g)
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
