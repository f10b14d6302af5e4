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
#include "../kconfig/kernel_config.h"
#include "../proto/errors.h"
#include "caller_rights.h"
#include "kernel_image.h"
#include "kernel_import_internal.h"
#include "kernel_modules.h"
#include "kernel_package.h"
#include "module_folder.h"

#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

static void stage(struct import *im, const char *text)
{
        if (im->from->on_stage)
                im->from->on_stage(im->from->userdata, text);
}

static void import_done(struct import *im)
{
        if (im->temp)
                kt_remove_tree(im->cache->root_fd, im->temp);
        free(im->temp);
        kt_closep(&im->dir);
        kt_closep(&im->image);
        kt_closep(&im->beside.fd);
        free((char *)im->beside.name);
        free(im->config);
        kernel_elf_done(&im->elf);
        kernel_free(im->kernel);
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* --- what came --- */

int kernel_open(const struct kernel_caller *caller, int dir_fd, const char *path, struct kt_error *reterr)
{
        struct caller_rights rights = {.n_groups = -1};
        int fd, r = 0;

        /* What we may is no more than what root may, who need not be asked for. */
        if (caller && caller->uid != 0)
                r = caller_rights_take(caller->uid, caller->gid, &rights, reterr);
        if (r < 0)
                return r;
        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                fd = kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot open %s: %s", path,
                                  strerror(errno));
        caller_rights_drop(&rights);
        return fd;
}

int import_read_config(int fd, char **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t at = 0, size;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > CONFIG_SIZE_MAX)
                return -EFBIG;
        size = (size_t)st.st_size;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        while (at < size) {
                ssize_t n = pread(fd, text + at, size - at, (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                at += (size_t)n;
        }
        text[size] = '\0';
        free(*ret);
        *ret = TAKE_PTR(text);
        return 0;
}

/* One that may be there. Opened with the caller's rights: a name in a user's folder may be a link to
 * anywhere. */
static void look_for_config(struct import *im, int dir_fd, const char *path)
{
        _cleanup_close_ int fd =
                im->config || !path ? -1 : kernel_open(im->from->caller, dir_fd, path, NULL);

        if (fd >= 0)
                (void)import_read_config(fd, &im->config);
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

static int take_image(struct import *im, int fd, const char *name, const char *source,
                      struct kt_error *reterr)
{
        if (im->image >= 0) {
                close(fd);
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "%s and %s are two kernels; import one at a time", im->image_name, name);
        }
        im->image = fd;
        im->image_name = name;
        im->source = source;
        return 0;
}

/* A built source tree: its vmlinux, else its bzImage; its .config. */
static int take_tree(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        static const char *const images[] = {"vmlinux", "arch/x86/boot/bzImage"};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct stat st;
        int fd = -ENOENT;

        for (size_t i = 0; fd == -ENOENT && i < KT_ARRAY_SIZE(images); i++)
                fd = kernel_open(im->from->caller, f->fd, images[i], &err);
        if (fd == -ENOENT)
                return kt_error_set(reterr, -ENOENT, KT_E_BAD_KERNEL,
                                    "%s holds no built kernel: neither vmlinux nor arch/x86/boot/bzImage; "
                                    "build it first",
                                    f->name);
        if (fd < 0)
                return kt_error_set(reterr, fd, err.name, "%s: %s", f->name, kt_error_text(&err));
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "the kernel in %s is no file; build it again", f->name);
        }
        look_for_config(im, f->fd, ".config");
        return take_image(im, fd, f->name, "tree", reterr);
}

static void take_unpacked_config(struct import *im)
{
        _cleanup_close_ int fd = openat(im->dir, "config", O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)import_read_config(fd, &im->config);
        unlinkat(im->dir, "config", 0);
}

static int take_package(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        struct stat st;
        int r, fd;

        stage(im, "unpacking");
        if (kernel_package_kind(f->fd) == KERNEL_PACKAGE_RPM)
                im->rpm = true;
        r = kernel_package_extract(f->fd, f->name, im->dir, false, reterr);
        if (r < 0)
                return r;
        take_unpacked_config(im);
        if (fstatat(im->dir, "vmlinuz", &st, 0) < 0)
                return 0;
        fd = openat(im->dir, "vmlinuz", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read what was unpacked: %s",
                                    strerror(errno));
        unlinkat(im->dir, "vmlinuz", 0);
        return take_image(im, fd, f->name, "package", reterr);
}

/* The modules are for when it is known which are needed. */
static int take_module_folder(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        if (im->modules)
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "%s and %s are the modules of two kernels; import one at a time",
                                    im->modules->name, f->name);
        im->modules = f;
        return 0;
}

/* What else there is where modules are: on many systems the image, on some the configuration. */
static int take_image_of_module_folder(struct import *im, struct kt_error *reterr)
{
        const struct kernel_file *f = im->modules;
        int fd = im->image < 0 ? kernel_open(im->from->caller, f->fd, "vmlinuz", NULL) : -1;

        look_for_config(im, f->fd, "config");
        return fd < 0 ? 0 : take_image(im, fd, f->name, "image", reterr);
}

static int take_file(struct import *im, const struct kernel_file *f, struct kt_error *reterr)
{
        struct stat st;

        if (fstat(f->fd, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot read %s: %s", f->name,
                                    strerror(errno));
        if (S_ISDIR(st.st_mode))
                return module_folder_is(im->from->caller, f->fd) ? take_module_folder(im, f, reterr)
                                                                 : take_tree(im, f, reterr);
        if (!S_ISREG(st.st_mode))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL, "%s is neither a file nor a folder",
                                    f->name);
        if (kernel_package_is(f->fd))
                return take_package(im, f, reterr);
        if (is_config(f->fd)) {
                int r = import_read_config(f->fd, &im->config);
                return r < 0 ? kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read %s: %s", f->name,
                                            strerror(-r))
                             : 0;
        }
        int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? oom(reterr) : take_image(im, fd, f->name, "image", reterr);
}

/* --- what becomes of it --- */

/* A lone image has its configuration beside it: config-RELEASE where it is installed, .config where it was
 * built. */
static void find_config_beside(struct import *im)
{
        if (strcmp(im->source, "image") != 0)
                return;
        for (size_t i = 0; !im->config && i < im->from->n_files; i++) {
                const struct kernel_file *f = &im->from->files[i];
                const char *slash = f->path ? strrchr(f->path, '/') : NULL;
                _cleanup_free_ char *beside = NULL, *dot = NULL;

                if (!slash || strcmp(f->name, im->image_name) != 0)
                        continue;
                beside = kt_format("%.*s/config-%s", (int)(slash - f->path), f->path, im->elf.release);
                dot = kt_format("%.*s/.config", (int)(slash - f->path), f->path);
                look_for_config(im, AT_FDCWD, beside);
                look_for_config(im, AT_FDCWD, dot);
        }
}

/* Takes path. */
static void look_for_modules(struct import *im, char *path)
{
        int fd = path && !im->modules ? kernel_open(im->from->caller, AT_FDCWD, path, NULL) : -1;

        if (fd < 0 || !module_folder_is(im->from->caller, fd)) {
                if (fd >= 0)
                        close(fd);
                free(path);
                return;
        }
        im->beside = (struct kernel_file){.name = path, .fd = fd};
        im->modules = &im->beside;
        look_for_config(im, fd, "config");
}

/* And its modules, where it is installed: as /boot/vmlinuz-RELEASE, or as /lib/modules/RELEASE/vmlinuz. */
static void find_modules_beside(struct import *im)
{
        if (strcmp(im->source, "image") != 0)
                return;
        for (size_t i = 0; i < im->from->n_files; i++) {
                const struct kernel_file *f = &im->from->files[i];
                const char *slash = f->path ? strrchr(f->path, '/') : NULL;

                if (!slash || strcmp(f->name, im->image_name) != 0)
                        continue;
                look_for_modules(im, kt_format("%.*s/../lib/modules/%s", (int)(slash - f->path), f->path,
                                               im->elf.release));
                if (strcmp(slash, "/vmlinuz") == 0)
                        look_for_modules(im, strndup(f->path, (size_t)(slash - f->path)));
        }
}

/* A file without a name, where the file system can (NFS cannot). */
static int open_scratch(struct import *im)
{
        int fd = openat(im->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
                fd = openat(im->dir, "scratch", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (fd >= 0)
                        unlinkat(im->dir, "scratch", 0);
        }
        return fd < 0 ? -errno : fd;
}

static int make_vmlinux(struct import *im, struct kt_error *reterr)
{
        _cleanup_close_ int elf = open_scratch(im), out = -1;
        struct stat st;
        int r;

        if (elf < 0)
                return kcache_io_error(im->cache, elf, "cannot make a temporary file", reterr);
        stage(im, "decompressing");
        r = kernel_image_to_elf(im->image, elf, im->image_name, reterr);
        if (r < 0)
                return r;
        stage(im, "looking at it");
        r = kernel_elf_read(elf, im->image_name, &im->elf, reterr);
        if (r < 0)
                return r;
        if (!im->elf.release)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                                    "%s is no Linux kernel: it has no version banner; name a kernel",
                                    im->image_name);
        if (!kernel_key_is_valid(im->elf.release))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "the kernel in %s calls itself '%s', which cannot be a file name; build "
                                    "it with another LOCALVERSION",
                                    im->image_name, im->elf.release);
        if (!im->elf.pvh)
                return kt_error_set(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                                    "kernel %s in %s has no PVH entry, by which guests are booted; build it "
                                    "with CONFIG_PVH=y",
                                    im->elf.release, im->image_name);
        out = openat(im->dir, "vmlinux", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (out < 0)
                return kcache_io_error(im->cache, -errno, "cannot make a file", reterr);
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

int import_write_file(struct import *im, const char *name, const void *data, size_t size,
                      struct kt_error *reterr)
{
        int r = kt_publish_file(im->dir, name, data, size, 0644);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot write %s of the kernel into %s: %s", name,
                                    im->cache->root, strerror(-r));
        return 0;
}

static int unpack_modules(struct import *im, const char *const *wanted, size_t n_wanted,
                          struct kt_error *reterr)
{
        for (size_t i = 0; i < im->from->n_files; i++) {
                const struct kernel_file *f = &im->from->files[i];
                int r = kernel_package_is(f->fd)
                                ? kernel_package_extract(f->fd, f->name, im->dir, true, reterr)
                                : 0;

                if (r < 0)
                        return r;
        }
        unlinkat(im->dir, "vmlinuz", 0);
        unlinkat(im->dir, "config", 0);
        if (im->modules) {
                int r = module_folder_unpack(im->from->caller, im->modules->fd, im->modules->name,
                                             im->elf.release, wanted, n_wanted, im->dir, reterr);
                if (r < 0)
                        return r;
        }
        if (renameat(im->dir, "modules", im->dir, "all-modules") < 0)
                return kt_error_set(reterr, -ENOENT, KT_E_KERNEL_UNSUITABLE,
                                    "kernel %s has virtio as modules and they are not in %s; import its "
                                    "%s with it",
                                    im->elf.release, im->modules ? im->modules->name : im->image_name,
                                    im->rpm       ? "kernel-modules-core package"
                                    : im->modules ? "modules"
                                                  : "linux-modules package");
        return 0;
}

/* virtio built in, or its modules along, or a refusal that names the option. */
static int make_modules(struct import *im, struct kt_error *reterr)
{
        static const struct {
                const char *option, *module;
        } needed[] = {{"VIRTIO_PCI", "virtio_pci"}, {"VIRTIO_CONSOLE", "virtio_console"}};
        const char *wanted[KT_ARRAY_SIZE(needed)];
        size_t n = 0;
        int r;

        for (size_t i = 0; im->config && i < KT_ARRAY_SIZE(needed); i++) {
                char value = kernel_config_get(im->config, needed[i].option);

                if (value == 'n')
                        return kt_error_set(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                                            "kernel %s in %s has CONFIG_%s off, its guests could not be "
                                            "reached; build it with CONFIG_%s=y",
                                            im->elf.release, im->image_name, needed[i].option,
                                            needed[i].option);
                if (value == 'm')
                        wanted[n++] = needed[i].module;
        }
        if (n == 0)
                return 0;
        if (strcmp(im->source, "package") != 0 && !im->modules)
                return kt_error_set(
                        reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE,
                        "kernel %s in %s has virtio as modules (CONFIG_VIRTIO_PCI, "
                        "CONFIG_VIRTIO_CONSOLE) and they did not come along; import its package, or its "
                        "/lib/modules/%s with it, or build it with both =y",
                        im->elf.release, im->image_name, im->elf.release);
        stage(im, "taking modules along");
        r = unpack_modules(im, wanted, n, reterr);
        if (r >= 0)
                r = kernel_modules_select(im->dir, "all-modules", "modules", wanted, n, reterr);
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

/* Its SHA-256, malloced. */
static char *hash_of(const void *data, size_t size)
{
        char hex[KT_SHA256_HEX_SIZE];

        return kt_sha256_mem(data, size, hex) < 0 ? NULL : strdup(hex);
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
        if (im->rpm && strcmp(im->source, "package") == 0)
                tag = "rpm";
        k->release = strdup(im->elf.release);
        k->version = kernel_version_of(im->elf.release);
        k->arch = strdup("x86_64");
        k->source = strdup(im->source);
        k->built_at = now_iso8601();
        k->key = kt_format("%s-%s-x86_64", im->elf.release, tag);
        k->has_btf = im->elf.btf != NULL;
        k->has_config = im->config != NULL;
        k->sched_ext =
                im->config ? kernel_config_get(im->config, "SCHED_CLASS_EXT") == 'y' : im->elf.sched_ext;
        k->devmem = kernel_config_get(im->config, "DEVMEM") != 'n';
        if ((k->has_btf && !(k->btf_sha256 = hash_of(im->elf.btf, im->elf.btf_size))) ||
            (k->has_config && !(k->config_sha256 = hash_of(im->config, strlen(im->config)))))
                return oom(reterr);
        k->imported_from = calloc(im->from->n_files + 1, sizeof(char *));
        for (size_t i = 0; k->imported_from && i < im->from->n_files; i++)
                k->imported_from[i] = strdup(im->from->files[i].name);
        if (!k->release || !k->version || !k->arch || !k->source || !k->built_at || !k->key ||
            !k->imported_from || list_names(im->dir, "modules", &k->modules) < 0)
                return oom(reterr);
        return 0;
}

static const char *where_images_are(const struct import *im)
{
        if (im->rpm)
                return "Fedora's is in kernel-core, its modules in kernel-modules-core: import them "
                       "together; SUSE's is in kernel-default";
        if (im->modules)
                return "name the image of these modules with them";
        return "from 6.19 on Debian's is in linux-binary-*, its configuration in linux-base-*, its modules "
               "in linux-modules-*: import them together";
}

static int take_files(struct import *im, struct kt_error *reterr)
{
        const struct kernel_source *from = im->from;

        for (size_t i = 0; i < from->n_files; i++) {
                int r = take_file(im, &from->files[i], reterr);

                if (r < 0)
                        return r;
        }
        if (im->modules) {
                int r = take_image_of_module_folder(im, reterr);

                if (r < 0)
                        return r;
        }
        if (im->image >= 0)
                return 0;
        return kt_error_set(reterr, -ENOENT, KT_E_BAD_KERNEL, "there is no kernel image in %s%s; %s",
                            from->files[0].name, from->n_files > 1 ? " and what came with it" : "",
                            where_images_are(im));
}

static int build_entry(struct import *im, struct kt_error *reterr)
{
        int r = kcache_stage(im->cache, &im->temp, &im->dir, reterr);

        if (r >= 0)
                r = take_files(im, reterr);
        if (r >= 0)
                r = make_vmlinux(im, reterr);
        if (r < 0)
                return r;
        /* The kernel knows best; what stands beside it may have changed since it was built. */
        if (im->elf.config) {
                free(im->config);
                im->config = TAKE_PTR(im->elf.config);
        }
        find_config_beside(im);
        find_modules_beside(im);
        r = make_modules(im, reterr);
        if (r >= 0 && im->config)
                r = import_write_file(im, "config", im->config, strlen(im->config), reterr);
        if (r >= 0 && im->elf.btf)
                r = import_write_file(im, "btf", im->elf.btf, im->elf.btf_size, reterr);
        return r < 0 ? r : describe(im, reterr);
}

int import_begin(struct import *im, struct kcache *c, const struct kernel_source *from, char *config,
                 struct kt_error *reterr)
{
        *im = (struct import){
                .cache = c, .from = from, .dir = -1, .image = -1, .config = config, .beside = {.fd = -1}};
        im->kernel = calloc(1, sizeof(*im->kernel));
        return im->kernel ? build_entry(im, reterr) : oom(reterr);
}

int import_end(struct import *im, int r, struct kt_error *reterr)
{
        _cleanup_free_ char *what = kt_format("cannot take in %s", im->from->files[0].name);

        if (r == -ENOSPC || r == -EDQUOT)
                r = kcache_io_error(im->cache, r, what ? what : "cannot take in a kernel", reterr);
        import_done(im);
        return r;
}

int kernel_import(struct kcache *c, const struct kernel_source *from, struct kernel **ret, bool *ret_existed,
                  struct kt_error *reterr)
{
        struct import im;
        bool existed = false;
        int r = import_begin(&im, c, from, NULL, reterr);

        if (r >= 0) {
                stage(&im, "storing");
                r = import_publish(&im, &existed, reterr);
        }
        if (r >= 0)
                r = kcache_get(c, im.kernel->key, ret, reterr);
        if (r >= 0 && ret_existed)
                *ret_existed = existed;
        return import_end(&im, r, reterr);
}

int kernel_look_inside(struct kcache *c, const struct kernel_source *from, struct kernel **ret,
                       char **ret_config, void **ret_btf, size_t *ret_btf_size, struct kt_error *reterr)
{
        struct import im;
        int r = import_begin(&im, c, from, NULL, reterr);

        if (r >= 0)
                r = import_foresee_key(&im, reterr);
        if (r >= 0) {
                im.kernel->path = strdup(c->root);
                im.kernel->image_path =
                        strdup(from->files[0].path ? from->files[0].path : from->files[0].name);
                *ret = TAKE_PTR(im.kernel);
                *ret_config = TAKE_PTR(im.config);
                *ret_btf = TAKE_PTR(im.elf.btf);
                *ret_btf_size = im.elf.btf_size;
        }
        return import_end(&im, r, reterr);
}

int kernel_look(struct kcache *c, const struct kernel_source *from, struct kernel **ret,
                struct kt_error *reterr)
{
        _cleanup_free_ char *config = NULL;
        _cleanup_free_ void *btf = NULL;
        size_t size;

        return kernel_look_inside(c, from, ret, &config, &btf, &size, reterr);
}
