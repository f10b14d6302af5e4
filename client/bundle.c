/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

int bundle_init(struct bundle *b, struct kt_error *reterr)
{
        *b = (struct bundle){.artifacts = json_object_new_array()};
        return b->artifacts ? 0 : oom(reterr);
}

void bundle_done(struct bundle *b)
{
        for (size_t i = 0; i < b->n; i++)
                close(b->fds[i]);
        free(b->fds);
        json_object_put(b->artifacts);
        *b = (struct bundle){};
}

int bundle_add_fd(struct bundle *b, int fd, struct kt_error *reterr)
{
        int *grown = realloc(b->fds, (b->n + 1) * sizeof(int));

        if (!grown) {
                close(fd);
                return oom(reterr);
        }
        b->fds = grown;
        b->fds[b->n] = fd;
        return (int)b->n++;
}

static struct json_object *find(const struct bundle *b, const char *guest_path)
{
        for (size_t i = 0; i < json_object_array_length(b->artifacts); i++) {
                struct json_object *o = json_object_array_get_idx(b->artifacts, i);

                if (strcmp(kt_json_str(o, "guest_path"), guest_path) == 0)
                        return o;
        }
        return NULL;
}

bool bundle_has(const struct bundle *b, const char *guest_path)
{
        return find(b, guest_path) != NULL;
}

int bundle_add(struct bundle *b, const char *guest_path, int fd, mode_t mode, struct kt_error *reterr)
{
        struct json_object *o;
        int index;

        if (find(b, guest_path)) {
                close(fd);
                return kt_error_set(reterr, -EEXIST, KT_E_BAD_FILE,
                                    "duplicate: two files would become %s in the guest", guest_path);
        }
        index = bundle_add_fd(b, fd, reterr);
        if (index < 0)
                return index;
        o = json_object_new_object();
        if (!o || json_object_array_add(b->artifacts, o) < 0)
                return oom(reterr);
        kt_json_add_str(o, "guest_path", guest_path);
        kt_json_add_int(o, "file_fd", index);
        kt_json_add_int(o, "mode", mode & 07777);
        return 0;
}

static bool same_content(int a, int b)
{
        char buf_a[16384], buf_b[sizeof(buf_a)];
        struct stat st_a, st_b;

        if (fstat(a, &st_a) < 0 || fstat(b, &st_b) < 0 || st_a.st_size != st_b.st_size)
                return false;
        if (st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino)
                return true;
        for (off_t at = 0; at < st_a.st_size;) {
                ssize_t n = pread(a, buf_a, sizeof(buf_a), at);

                if (n <= 0 || pread(b, buf_b, (size_t)n, at) != n || memcmp(buf_a, buf_b, (size_t)n) != 0)
                        return false;
                at += n;
        }
        return true;
}

/* The guest has one folder of libraries, for all programs that it runs. */
static int add_library(struct bundle *b, const struct kt_elf_deps *deps, struct kt_elf_file *f,
                       struct kt_error *reterr)
{
        _cleanup_free_ char *path =
                f->name[0] == '/' ? strdup(f->name) : kt_path_join(KT_GUEST_LIB_DIR, f->name);
        struct json_object *there = path ? find(b, path) : NULL;

        if (!path)
                return oom(reterr);
        if (!there)
                return bundle_add(b, path, TAKE_FD(f->fd), 0755, reterr);
        if (same_content(b->fds[kt_json_int(there, "file_fd", 0)], f->fd))
                return 0;
        return kt_error_set(
                reterr, -EEXIST, KT_E_LIBRARY_NOT_FOUND,
                "%s needs another %s (%s) than what else goes into the guest, which has one of each: "
                "build them against the same",
                deps->program.path, f->name, f->path);
}

int bundle_add_libraries(struct bundle *b, struct kt_elf_deps *deps, struct kt_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < deps->n_files; i++)
                r = add_library(b, deps, &deps->files[i], reterr);
        return r;
}

int bundle_open_program(struct bundle *b, const char *path, const char *error_name, int *ret_fd,
                        struct kt_error *reterr)
{
        char interpreter[KT_SCRIPT_LINE_MAX];
        struct kt_elf_deps deps = {};
        int r = kt_elf_deps_collect(path, getenv("LD_LIBRARY_PATH"), error_name, KT_E_LIBRARY_NOT_FOUND,
                                    &deps, reterr);

        if (r < 0)
                return r;
        kt_script_interpreter(deps.program.fd, interpreter);
        if (interpreter[0] && strcmp(interpreter, KT_GUEST_SHELL) != 0)
                r = kt_error_set(reterr, -ENOEXEC, error_name,
                                 "%s is a script for %s, and a guest has only " KT_GUEST_SHELL
                                 " (busybox): write it for that, or give a program",
                                 path, interpreter);
        else
                r = bundle_add_libraries(b, &deps, reterr);
        if (r >= 0)
                *ret_fd = TAKE_FD(deps.program.fd);
        kt_elf_deps_done(&deps);
        return r;
}

struct json_object *bundle_artifacts_since(const struct bundle *b, size_t n)
{
        struct json_object *array = json_object_new_array();

        for (; array && n < json_object_array_length(b->artifacts); n++)
                json_object_array_add(array, json_object_get(json_object_array_get_idx(b->artifacts, n)));
        return array;
}
