/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "kcache_internal.h"
#include "kernel_config.h"
#include "kernel_elf.h"
#include "kernel_image.h"
#include "kernel_modules.h"
#include "kernel_package.h"

#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

/* One import under way: a temp folder that becomes the entry. */
struct import {
        struct kcache *cache;
        const struct kernel_file *files;
        size_t n_files;
        kernel_stage_cb on_stage;
        void *userdata;

        char *temp; /* its name in the root; NULL once published */
        int dir;
        int image; /* the image as it came; -1 until found */
        const char *image_name;
        const char *source; /* "package", "image", "tree" */
        char *config;       /* text, or NULL */
        struct kernel_elf elf;
        struct kernel *kernel;
};

static void stage(struct import *im, const char *text)
{
        if (im->on_stage)
                im->on_stage(im->userdata, text);
}

static void import_done(struct import *im)
{
        if (im->temp)
                kt_remove_tree(im->cache->root_fd, im->temp);
        free(im->temp);
        kt_closep(&im->dir);
        kt_closep(&im->image);
        free(im->config);
        kernel_elf_done(&im->elf);
        kernel_free(im->kernel);
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* --- what came --- */

static int read_config(int dir, const char *path, char **ret)
{
        size_t size;

        return *ret ? 0 : kt_read_file(dir, path, CONFIG_SIZE_MAX, ret, &size);
}

static bool is_config(int fd)
{
        char head[4096];
        ssize_t n = pread(fd, head, sizeof(head) - 1, 0);

        if (n <= 0)
                return false;
        head[n] = '\0';
        return strlen(head) == (size_t)n && (strstr(head, "\nCONFIG_") || strncmp(head, "CONFIG_", 7) == 0);
}

static int take_image(struct import *im, int fd, const char *name, const char *source, struct kt_error *reterr)
{
        if (im->image >= 0) {
                close(fd);
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL, "%s and %s are two kernels; import one at a time",
                                    im->image_name, name);
        }
        im->image = fd;
        im->image_name = name;
        im->source = source;
        return 0;
}

/* A built source tree: its vmlinux, else its bzImage; its .config. */
static int take_tree(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        int fd = openat(f->fd, "vmlinux", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                fd = openat(f->fd, "arch/x86/boot/bzImage", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return kt_error_set(reterr, -ENOENT, KT_E_BAD_KERNEL,
                                    "%s holds no built kernel: neither vmlinux nor arch/x86/boot/bzImage; build it first", f->name);
        (void)read_config(f->fd, ".config", &im->config);
        return take_image(im, fd, f->name, "tree", reterr);
}

static int take_package(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        struct stat st;
        int r, fd;

        stage(im, "unpacking");
        r = kernel_package_extract(f->fd, f->name, im->dir, false, reterr);
        if (r < 0)
                return r;
        (void)read_config(im->dir, "config", &im->config);
        if (fstatat(im->dir, "vmlinuz", &st, 0) < 0)
                return 0;
        fd = openat(im->dir, "vmlinuz", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read what was unpacked: %s", strerror(errno));
        unlinkat(im->dir, "vmlinuz", 0);
        return take_image(im, fd, f->name, "package", reterr);
}

static int take_file(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        struct stat st;
        size_t size;

        if (fstat(f->fd, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot read %s: %s", f->name, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return take_tree(im, f, reterr);
        if (!S_ISREG(st.st_mode))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL, "%s is neither a file nor a folder", f->name);
        if (kernel_package_is(f->fd))
                return take_package(im, f, reterr);
        if (is_config(f->fd)) {
                _cleanup_free_ char *path = kt_format("/proc/self/fd/%d", f->fd);
                free(im->config);
                im->config = NULL;
                int r = path ? kt_read_file(AT_FDCWD, path, CONFIG_SIZE_MAX, &im->config, &size) : -ENOMEM;
                return r < 0 ? kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read %s: %s", f->name, strerror(-r)) : 0;
        }
        int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? oom(reterr) : take_image(im, fd, f->name, "image", reterr);
}

/* --- what becomes of it --- */

/* An image named vmlinuz-RELEASE or the like has its configuration beside it. */
static void find_config_beside(struct import *im)
{
        for (size_t i = 0; !im->config && i < im->n_files; i++) {
                const char *path = im->files[i].path, *slash = path ? strrchr(path, '/') : NULL;
                _cleanup_free_ char *beside = NULL, *dot = NULL;

                if (!slash || strcmp(im->files[i].name, im->image_name) != 0)
                        continue;
                if (im->elf.release)
                        beside = kt_format("%.*s/config-%s", (int)(slash - path), path, im->elf.release);
                dot = kt_format("%.*s/.config", (int)(slash - path), path);
                if (beside)
                        (void)read_config(AT_FDCWD, beside, &im->config);
                if (dot)
                        (void)read_config(AT_FDCWD, dot, &im->config);
        }
}

static int make_vmlinux(struct import *im, struct kt_error *reterr)
{
        _cleanup_close_ int elf = openat(im->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), out = -1;
        struct stat st;
        int r;

        if (elf < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot make a temporary file in %s: %s", im->cache->root,
                                    strerror(errno));
        stage(im, "decompressing");
        r = kernel_image_to_elf(im->image, elf, im->image_name, reterr);
        if (r < 0)
                return r;
        stage(im, "looking at it");
        r = kernel_elf_read(elf, im->image_name, &im->elf, reterr);
        if (r < 0)
                return r;
        if (!im->elf.release)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s is no Linux kernel: it has no version banner",
                                    im->image_name);
        if (!im->elf.pvh)
                return kt_error_set(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                                    "kernel %s has no PVH entry, by which guests are booted; build it with CONFIG_PVH=y",
                                    im->elf.release);
        out = openat(im->dir, "vmlinux", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (out < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot write into %s: %s", im->cache->root, strerror(errno));
        r = kernel_elf_slim(elf, out, im->image_name, reterr);
        if (r < 0)
                return r;
        im->kernel->image_sha256 = malloc(KT_SHA256_HEX_SIZE);
        if (!im->kernel->image_sha256)
                return oom(reterr);
        r = kt_sha256_fd(out, im->kernel->image_sha256);
        if (r < 0 || fstat(out, &st) < 0)
                return kt_error_set(reterr, -EIO, KT_E_IO, "cannot read back the kernel");
        im->kernel->image_size = (uint64_t)st.st_size;
        return 0;
}

static int write_file(struct import *im, const char *name, const void *data, size_t size, struct kt_error *reterr)
{
        int r = kt_publish_file(im->dir, name, data, size, 0644);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot write %s of the kernel into %s: %s", name, im->cache->root,
                                    strerror(-r));
        return 0;
}

/* virtio built in, or its modules along, or a refusal that names the option. */
static int make_modules(struct import *im, struct kt_error *reterr)
{
        static const char *const options[] = {"VIRTIO_PCI", "VIRTIO_CONSOLE"};
        bool modular = false;
        int r;

        for (size_t i = 0; im->config && i < KT_ARRAY_SIZE(options); i++) {
                char value = kernel_config_get(im->config, options[i]);

                if (value == 'n')
                        return kt_error_set(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                                            "kernel %s has CONFIG_%s off, its guests could not be reached; build it with CONFIG_%s=y",
                                            im->elf.release, options[i], options[i]);
                modular |= value == 'm';
        }
        if (!modular)
                return 0;
        if (strcmp(im->source, "package") != 0)
                return kt_error_set(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                                    "kernel %s has virtio as modules (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_CONSOLE) and only a package brings "
                                    "them along; import its package, or build it with both =y",
                                    im->elf.release);
        stage(im, "taking modules along");
        for (size_t i = 0; i < im->n_files; i++)
                if (kernel_package_is(im->files[i].fd)) {
                        r = kernel_package_extract(im->files[i].fd, im->files[i].name, im->dir, true, reterr);
                        if (r < 0)
                                return r;
                }
        unlinkat(im->dir, "vmlinuz", 0);
        if (renameat(im->dir, "modules", im->dir, "all-modules") < 0)
                return kt_error_set(reterr, -ENOENT, KT_E_KERNEL_UNSUITABLE,
                                    "kernel %s has virtio as modules and they are in none of the files; import its linux-modules "
                                    "package with it",
                                    im->elf.release);
        r = kernel_modules_select(im->dir, "all-modules", "modules", reterr);
        kt_remove_tree(im->dir, "all-modules");
        return r;
}

static char *now_iso8601(void)
{
        char text[32];
        struct tm tm;
        time_t now = time(NULL);

        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
        return strdup(text);
}

static int list_names(int dir, const char *path, char ***ret)
{
        struct dirent **entries = NULL;
        int n = scandirat(dir, path, &entries, NULL, alphasort), kept = 0;
        char **names = calloc((size_t)(n < 0 ? 0 : n) + 1, sizeof(char *));

        for (int i = 0; i < n; i++) {
                if (names && entries[i]->d_name[0] != '.')
                        names[kept++] = strdup(entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        *ret = names;
        return names ? 0 : -ENOMEM;
}

static int describe(struct import *im, struct kt_error *reterr)
{
        static const struct {
                const char *source, *tag;
        } tags[] = {{"package", "deb"}, {"image", "img"}, {"tree", "tree"}};
        struct kernel *k = im->kernel;
        const char *tag = "img";

        for (size_t i = 0; i < KT_ARRAY_SIZE(tags); i++)
                if (strcmp(im->source, tags[i].source) == 0)
                        tag = tags[i].tag;
        k->release = strdup(im->elf.release);
        k->version = kernel_version_of(im->elf.release);
        k->arch = strdup("x86_64");
        k->source = strdup(im->source);
        k->built_at = now_iso8601();
        k->key = kt_format("%s-%s-x86_64", im->elf.release, tag);
        k->has_btf = im->elf.btf != NULL;
        k->has_config = im->config != NULL;
        k->sched_ext = im->config ? kernel_config_get(im->config, "SCHED_CLASS_EXT") == 'y' : im->elf.sched_ext;
        k->devmem = kernel_config_get(im->config, "DEVMEM") != 'n';
        k->imported_from = calloc(im->n_files + 1, sizeof(char *));
        for (size_t i = 0; k->imported_from && i < im->n_files; i++)
                k->imported_from[i] = strdup(im->files[i].name);
        if (!k->release || !k->version || !k->key || !k->imported_from || list_names(im->dir, "modules", &k->modules) < 0)
                return oom(reterr);
        if (!kernel_key_is_valid(k->key))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL, "the kernel calls itself '%s', which cannot be a file name",
                                    im->elf.release);
        return 0;
}

static int write_metadata(struct import *im, struct kt_error *reterr)
{
        _cleanup_free_ char *text = kernel_metadata(im->kernel);

        return text ? write_file(im, "metadata.json", text, strlen(text), reterr) : oom(reterr);
}

static int build_entry(struct import *im, struct kt_error *reterr)
{
        int r = kcache_stage(im->cache, &im->temp, &im->dir, reterr);

        for (size_t i = 0; r >= 0 && i < im->n_files; i++)
                r = take_file(im, &im->files[i], reterr);
        if (r >= 0 && im->image < 0)
                r = kt_error_set(reterr, -ENOENT, KT_E_BAD_KERNEL,
                                 "there is no kernel image in %s; from 6.19 on Debian's is in linux-binary-*, its configuration in "
                                 "linux-base-*: import them together",
                                 im->files[0].name);
        unlinkat(im->dir, "config", 0);
        if (r >= 0)
                r = make_vmlinux(im, reterr);
        if (r < 0)
                return r;
        if (!im->config)
                im->config = TAKE_PTR(im->elf.config);
        find_config_beside(im);
        r = make_modules(im, reterr);
        unlinkat(im->dir, "config", 0);
        if (r >= 0 && im->config)
                r = write_file(im, "config", im->config, strlen(im->config), reterr);
        if (r >= 0 && im->elf.btf)
                r = write_file(im, "btf", im->elf.btf, im->elf.btf_size, reterr);
        return r < 0 ? r : describe(im, reterr);
}

/* Is there this very kernel under that key? 1 yes, 0 another one, -ENOENT none. */
static int compare_existing(struct import *im, const char *key)
{
        struct kernel *k = NULL;
        int r = kcache_get(im->cache, key, &k, NULL);

        if (r < 0)
                return r;
        r = !k->error && strcmp(k->image_sha256, im->kernel->image_sha256) == 0;
        kernel_free(k);
        return r;
}

/* Under its key, or where another kernel has it, under one that its content names. */
static int publish(struct import *im, bool *ret_existed, struct kt_error *reterr)
{
        for (int attempt = 0; attempt < 2; attempt++) {
                int r = compare_existing(im, im->kernel->key);

                *ret_existed = r == 1;
                if (r == 1)
                        return 0;
                if (r == -ENOENT) {
                        r = write_metadata(im, reterr);
                        if (r >= 0)
                                r = kcache_publish(im->cache, im->temp, im->dir, im->kernel->key, reterr);
                        if (r >= 0)
                                free(TAKE_PTR(im->temp));
                        if (r != -EEXIST)
                                return r;
                        attempt--; /* somebody was faster: look at theirs */
                        continue;
                }
                char *key = kt_format("%s-%.8s", im->kernel->key, im->kernel->image_sha256);
                if (!key)
                        return oom(reterr);
                free(im->kernel->key);
                im->kernel->key = key;
        }
        return kt_error_set(reterr, -EEXIST, KT_E_BAD_KERNEL, "entry %s in %s is corrupt; remove it with `ktstrctl kernel remove`",
                            im->kernel->key, im->cache->root);
}

static int import_begin(struct import *im, struct kt_error *reterr)
{
        im->dir = -1;
        im->image = -1;
        im->kernel = calloc(1, sizeof(*im->kernel));
        return im->kernel ? build_entry(im, reterr) : oom(reterr);
}

int kernel_import(struct kcache *c, const struct kernel_file *files, size_t n_files, kernel_stage_cb on_stage,
                  void *userdata, struct kernel **ret, bool *ret_existed, struct kt_error *reterr)
{
        struct import im = {.cache = c, .files = files, .n_files = n_files, .on_stage = on_stage, .userdata = userdata};
        bool existed = false;
        int r = import_begin(&im, reterr);

        if (r >= 0) {
                stage(&im, "storing");
                r = publish(&im, &existed, reterr);
        }
        if (r >= 0)
                r = kcache_get(c, im.kernel->key, ret, reterr);
        import_done(&im);
        if (r >= 0 && ret_existed)
                *ret_existed = existed;
        return r;
}

int kernel_import_look(struct kcache *c, const struct kernel_file *files, size_t n_files, struct kernel **ret,
                       struct kt_error *reterr)
{
        struct import im = {.cache = c, .files = files, .n_files = n_files};
        int r = import_begin(&im, reterr);

        if (r >= 0) {
                im.kernel->path = strdup(c->root);
                im.kernel->image_path = strdup(files[0].path ? files[0].path : files[0].name);
                *ret = TAKE_PTR(im.kernel);
        }
        import_done(&im);
        return r;
}
