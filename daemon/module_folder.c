/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "kernel_package.h"

#define DEP_SIZE_MAX (32U * 1024U * 1024U)
#define MODULE_SIZE_MAX (64U * 1024U * 1024U)
#define DEPTH_MAX 16U
#define ENTRIES_MAX 100000U /* of folders that are looked through; a full kernel has some 6000 */
#define PLACE_SIZE 128U

struct taking {
        const struct kernel_caller *caller;
        int folder, dir_fd;
        const char *name, *release;
        unsigned n_seen;
        struct kt_error *reterr;
};

static int oom(struct taking *t)
{
        return kt_error_set(t->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static bool has(const struct kernel_caller *caller, int fd, const char *path)
{
        _cleanup_close_ int there = kernel_open(caller, fd, path, NULL);

        return there >= 0;
}

bool module_folder_is(const struct kernel_caller *caller, int fd)
{
        if (has(caller, fd, "modules.dep"))
                return true;
        return !has(caller, fd, "Makefile") && (has(caller, fd, "kernel") || has(caller, fd, "vmlinuz"));
}

/* "virtio_rng" of "kernel/drivers/char/hw_random/virtio-rng.ko.xz", as modules name each other. False: no
 * module. */
static bool module_name(const char *path, size_t len, char *ret, size_t size)
{
        const char *base = memrchr(path, '/', len), *end = path + len;
        size_t n = 0;

        for (base = base ? base + 1 : path; base < end && *base != '.'; base++) {
                if (n + 1 >= size || !(isalnum((unsigned char)*base) || strchr("_-", *base)))
                        return false;
                ret[n++] = *base == '-' ? '_' : *base;
        }
        ret[n] = '\0';
        return n > 0 && end - base >= 3 && strncmp(base, ".ko", 3) == 0;
}

/* A kernel refuses what was built for another; better said now than by a guest that nobody can reach. */
static int check_release(struct taking *t, const char *place)
{
        _cleanup_free_ char *data = NULL;
        const char *found;
        size_t size, len;
        int r = kt_read_file(t->dir_fd, place, MODULE_SIZE_MAX, &data, &size);

        if (r < 0)
                return kt_error_set(t->reterr, r, KT_E_IO, "cannot read back %s: %s", place, strerror(-r));
        found = memmem(data, size, "\0vermagic=", 10);
        if (!found)
                return 0;
        len = strcspn(found + 10, " ");
        if (strlen(t->release) == len && memcmp(found + 10, t->release, len) == 0)
                return 0;
        return kt_error_set(t->reterr, -EINVAL, KT_E_BAD_KERNEL,
                            "the modules in %s are those of kernel %.*s, not of %s; name the folder of that",
                            t->name, (int)len, found + 10, t->release);
}

static int unpack(struct taking *t, int in_dir, const char *path, const char *module)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int fd = kernel_open(t->caller, in_dir, path, &err);
        _cleanup_free_ char *called = kt_format("%s/%s", t->name, path);
        char place[PLACE_SIZE];
        struct stat st;
        int r;

        snprintf(place, sizeof(place), "modules/%s.ko", module);
        if (!called)
                return oom(t);
        if (fd < 0)
                return kt_error_set(t->reterr, fd, err.name, "%s: %s", t->name, kt_error_text(&err));
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return kt_error_set(t->reterr, -EINVAL, KT_E_BAD_KERNEL, "%s is no file", called);
        (void)mkdirat(t->dir_fd, "modules", 0755);
        if (faccessat(t->dir_fd, place, F_OK, 0) == 0)
                return 0;
        r = kernel_package_unpack_module(fd, called, t->dir_fd, place, t->reterr);
        return r < 0 ? r : check_release(t, place);
}

/* --- by modules.dep: a line a module, "PATH: what it depends on…", all of it --- */

static int unpack_path(struct taking *t, const char *path, size_t len)
{
        _cleanup_free_ char *copy = strndup(path, len);
        char module[PLACE_SIZE / 2];

        if (!copy)
                return oom(t);
        return module_name(path, len, module, sizeof(module)) ? unpack(t, t->folder, copy, module) : 0;
}

static int unpack_line(struct taking *t, const char *line, size_t len)
{
        const char *end = line + len;
        int r = 0;

        while (r >= 0 && line < end) {
                size_t n = strcspn(line, ": \n");

                if (n > (size_t)(end - line))
                        n = (size_t)(end - line);
                r = n > 0 ? unpack_path(t, line, n) : 0;
                line += n + 1;
        }
        return r;
}

static int unpack_by_dependencies(struct taking *t, const char *text, const char *wanted)
{
        for (const char *line = text; *line;) {
                size_t len = strcspn(line, "\n");
                char module[PLACE_SIZE / 2];

                if (module_name(line, strcspn(line, ":\n"), module, sizeof(module)) &&
                    strcmp(module, wanted) == 0)
                        return unpack_line(t, line, len);
                line += len + (line[len] == '\n');
        }
        return 0;
}

static int read_dependencies(struct taking *t, char **ret)
{
        _cleanup_close_ int fd = kernel_open(t->caller, t->folder, "modules.dep", NULL);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        int r;

        if (fd < 0)
                return 0;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)DEP_SIZE_MAX)
                return kt_error_set(t->reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "modules.dep in %s is no file of at most %u MiB; run depmod", t->name,
                                    DEP_SIZE_MAX >> 20);
        text = calloc(1, (size_t)st.st_size + 1);
        if (!text)
                return oom(t);
        r = kt_read_all(fd, text, (size_t)st.st_size);
        if (r < 0)
                return kt_error_set(t->reterr, r, KT_E_BAD_KERNEL, "cannot read modules.dep in %s: %s",
                                    t->name, strerror(-r));
        *ret = TAKE_PTR(text);
        return 0;
}

/* --- by name --- */

static int walk(struct taking *t, int parent, const char *path, unsigned depth);

static int look_at(struct taking *t, int dir, const struct dirent *e, unsigned depth)
{
        char module[PLACE_SIZE / 2];
        struct stat st;

        if (e->d_name[0] == '.' || depth >= DEPTH_MAX)
                return 0;
        if (++t->n_seen > ENTRIES_MAX)
                return kt_error_set(t->reterr, -E2BIG, KT_E_BAD_KERNEL,
                                    "%s holds more than the %u files that modules are looked for among; run "
                                    "depmod",
                                    t->name, ENTRIES_MAX);
        /* Not every file system tells the type along. */
        if (e->d_type == DT_DIR ||
            (e->d_type == DT_UNKNOWN && fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
             S_ISDIR(st.st_mode)))
                return walk(t, dir, e->d_name, depth + 1);
        if (strncmp(e->d_name, "virtio", 6) != 0 ||
            !module_name(e->d_name, strlen(e->d_name), module, sizeof(module)))
                return 0;
        return unpack(t, dir, e->d_name, module);
}

static int walk(struct taking *t, int parent, const char *path, unsigned depth)
{
        _cleanup_close_ int fd = kernel_open(t->caller, parent, path, NULL);
        _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *e;
        int r = 0;

        if (!dir)
                return 0;
        TAKE_FD(fd);
        while (r >= 0 && (e = readdir(dir)))
                r = look_at(t, dirfd(dir), e, depth);
        return r;
}

int module_folder_unpack(const struct kernel_caller *caller, int fd, const char *name, const char *release,
                         const char *const *wanted, size_t n_wanted, int dir_fd, struct kt_error *reterr)
{
        struct taking t = {.caller = caller,
                           .folder = fd,
                           .dir_fd = dir_fd,
                           .name = name,
                           .release = release,
                           .reterr = reterr};
        _cleanup_free_ char *dependencies = NULL;
        int r = read_dependencies(&t, &dependencies);

        if (r >= 0 && !dependencies)
                return walk(&t, fd, "kernel/drivers", 0);
        for (size_t i = 0; r >= 0 && i < n_wanted; i++)
                r = unpack_by_dependencies(&t, dependencies, wanted[i]);
        return r;
}
