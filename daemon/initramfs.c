/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "file_hash.h"
#include "kcache_internal.h"

#define INPUTS_MAX 64U
#define HASH_DIGITS 16

/* One file of the archive. */
struct input {
        char *path; /* on the host */
        char *name; /* in the archive */
        mode_t mode;
        int fd;
        char sha256[KT_SHA256_HEX_SIZE];
};

struct inputs {
        struct input list[INPUTS_MAX];
        unsigned n;
};

static void inputs_done(struct inputs *in)
{
        for (unsigned i = 0; i < in->n; i++) {
                free(in->list[i].path);
                free(in->list[i].name);
                kt_closep(&in->list[i].fd);
        }
}

static int add_input(struct inputs *in, char *path, char *name, mode_t mode, struct kt_error *reterr)
{
        struct input *i = &in->list[in->n];

        if (!path || !name || in->n == INPUTS_MAX) {
                free(path);
                free(name);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *i = (struct input){
                .path = path, .name = name, .mode = mode, .fd = open(path, O_RDONLY | O_CLOEXEC)};
        in->n++;
        if (i->fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read %s for the initramfs: %s", path,
                                    strerror(errno));
        return 0;
}

/* The userland comes first, in its order. */
static int collect(struct inputs *in, const struct kernel *k, const struct userland *u,
                   struct kt_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < u->n; i++)
                r = add_input(in, strdup(u->files[i].path), strdup(u->files[i].name), u->files[i].mode,
                              reterr);
        if (r >= 0 && k->config_path)
                r = add_input(in, strdup(k->config_path), kt_format("boot/config-%s", k->release), 0644,
                              reterr);
        for (char **m = k->modules; r >= 0 && m && *m; m++)
                r = add_input(in, kt_format("%s/modules/%s", k->path, *m), kt_format("modules/%s", *m), 0644,
                              reterr);
        return r;
}

/* One name for all that is in it: the hash of names, modes and the contents' hashes. */
static int hash_inputs(struct inputs *in, char ret[KT_SHA256_HEX_SIZE])
{
        _cleanup_free_ char *all = strdup("ktstr initramfs 1\n");

        for (unsigned i = 0; all && i < in->n; i++) {
                struct input *input = &in->list[i];
                int r = file_hash(input->fd, input->sha256);
                char *more = r < 0 ? NULL
                                   : kt_format("%s%s %o %s\n", all, input->name, (unsigned)input->mode,
                                               input->sha256);

                if (r < 0)
                        return r;
                free(all);
                all = more;
        }
        return all ? kt_sha256_mem(all, strlen(all), ret) : -ENOMEM;
}

static int archive_failure(struct archive *a)
{
        return archive_errno(a) == ENOSPC ? -ENOSPC : -EIO;
}

static int write_folder(struct archive *a, const char *name)
{
        struct archive_entry *e = archive_entry_new();

        if (!e)
                return -ENOMEM;
        archive_entry_set_pathname(e, name);
        archive_entry_set_filetype(e, AE_IFDIR);
        archive_entry_set_size(e, 0);
        archive_entry_set_perm(e, 0755);
        int r = archive_write_header(a, e);
        archive_entry_free(e);
        return r == ARCHIVE_OK ? 0 : archive_failure(a);
}

static int write_input(struct archive *a, const struct input *in)
{
        struct archive_entry *e;
        char buf[65536];
        struct stat st;
        ssize_t n;
        int r;

        if (fstat(in->fd, &st) < 0 || lseek(in->fd, 0, SEEK_SET) < 0)
                return -errno;
        e = archive_entry_new();
        if (!e)
                return -ENOMEM;
        archive_entry_set_pathname(e, in->name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, in->mode);
        archive_entry_set_size(e, st.st_size);
        r = archive_write_header(a, e) == ARCHIVE_OK ? 0 : archive_failure(a);
        archive_entry_free(e);
        while (r == 0 && (n = read(in->fd, buf, sizeof(buf))) != 0) {
                if (n < 0)
                        r = errno == EINTR ? 0 : -errno;
                else if (archive_write_data(a, buf, (size_t)n) != n)
                        r = archive_failure(a);
        }
        return r;
}

static const char *const folders[] = {"bin", "boot", "dev", "modules"};

/* Has the folder of this name been written before input number n? */
static bool has_folder(const struct inputs *in, unsigned n, const char *name, size_t size)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(folders); i++)
                if (strlen(folders[i]) == size && memcmp(folders[i], name, size) == 0)
                        return true;
        for (unsigned i = 0; i < n; i++)
                if (strncmp(in->list[i].name, name, size + 1) == 0)
                        return true;
        return false;
}

static int write_parents(struct archive *a, const struct inputs *in, unsigned n)
{
        const char *name = in->list[n].name;
        int r = 0;

        for (const char *slash = name; r == 0 && (slash = strchr(slash, '/')); slash++) {
                _cleanup_free_ char *folder = strndup(name, (size_t)(slash - name));

                if (!folder)
                        r = -ENOMEM;
                else if (!has_folder(in, n, name, (size_t)(slash - name)))
                        r = write_folder(a, folder);
        }
        return r;
}

/* The kernel makes no parents of files it unpacks, so the folders come first. */
static int write_archive(const struct inputs *in, int fd)
{
        struct archive *a = archive_write_new();
        int r = 0;

        if (!a)
                return -ENOMEM;
        archive_write_set_format_cpio_newc(a);
        archive_write_add_filter_none(a);
        if (archive_write_open_fd(a, fd) != ARCHIVE_OK)
                r = -EIO;
        for (size_t i = 0; r == 0 && i < KT_ARRAY_SIZE(folders); i++)
                r = write_folder(a, folders[i]);
        for (unsigned i = 0; r == 0 && i < in->n; i++) {
                r = write_parents(a, in, i);
                if (r == 0)
                        r = write_input(a, &in->list[i]);
        }
        if (archive_write_close(a) != ARCHIVE_OK && r == 0)
                r = archive_failure(a);
        archive_write_free(a);
        return r;
}

/* Malloced. In the root, which alone is ours: what lies beside it may be anybody's. */
static char *folder_of(const struct kcache *c)
{
        return kt_path_join(c->root, ".initramfs");
}

static int make_archive(const struct inputs *in, const char *dir, const char *path)
{
        _cleanup_free_ char *temp = kt_format("%s/" TEMP_PREFIX "XXXXXX", dir);
        _cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
        int r;

        if (!temp)
                return -ENOMEM;
        /* Shared: somebody has a temp file here. Exclusive: somebody sweeps. */
        if (dir_fd < 0 || flock(dir_fd, LOCK_SH) < 0)
                return -errno;
        fd = mkostemp(temp, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_archive(in, fd);
        if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(temp, path) < 0))
                r = -errno;
        if (r < 0)
                unlink(temp);
        return r;
}

/* Unlink the files of the folder of which `is_it` says so, unless they are only to be looked at. Returns
 * what they take on disk. */
static uint64_t go_through(int dir_fd, bool (*is_it)(const char *name, const char *key), const char *key,
                           bool unlink_them)
{
        struct dirent **entries = NULL;
        int n = scandirat(dir_fd, ".", &entries, NULL, NULL);
        uint64_t bytes = 0;

        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;
                struct stat st;

                if (is_it(name, key) && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                        bytes += (uint64_t)st.st_blocks * 512;
                        if (unlink_them)
                                unlinkat(dir_fd, name, 0);
                }
                free(entries[i]);
        }
        free(entries);
        return bytes;
}

static bool is_temp(const char *name, const char *key)
{
        return strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0;
}

/* KEY-HASH.cpio; that another key may begin with this one is why it is looked at so closely. */
static bool is_of_key(const char *name, const char *key)
{
        size_t len = strlen(key);

        return strncmp(name, key, len) == 0 && name[len] == '-' &&
               strspn(name + len + 1, "0123456789abcdef") == HASH_DIGITS &&
               strcmp(name + len + 1 + HASH_DIGITS, ".cpio") == 0;
}

void initramfs_sweep(struct kcache *c)
{
        _cleanup_free_ char *dir = folder_of(c);
        _cleanup_close_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
                (void)go_through(fd, is_temp, NULL, true);
}

void initramfs_forget(struct kcache *c, const char *key)
{
        _cleanup_free_ char *dir = folder_of(c);
        _cleanup_close_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd >= 0)
                (void)go_through(fd, is_of_key, key, true);
}

uint64_t initramfs_bytes(struct kcache *c, const char *key)
{
        _cleanup_free_ char *dir = folder_of(c);
        _cleanup_close_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        return fd >= 0 ? go_through(fd, is_of_key, key, false) : 0;
}

/* The first n of what went in. */
static int keep_hashes(const struct inputs *in, size_t n, struct initramfs *ret)
{
        ret->files = calloc(n, sizeof(*ret->files));
        for (size_t i = 0; ret->files && i < n; i++) {
                struct initramfs_file *f = &ret->files[i];

                f->name = strdup(in->list[i].name);
                if (!f->name)
                        return -ENOMEM;
                memcpy(f->sha256, in->list[i].sha256, sizeof(f->sha256));
                ret->n_files = i + 1;
        }
        return ret->files || n == 0 ? 0 : -ENOMEM;
}

int initramfs_ensure(struct kcache *c, const struct kernel *k, const struct userland *userland,
                     struct initramfs *ret, struct kt_error *reterr)
{
        _cleanup_(inputs_done) struct inputs in = {};
        _cleanup_free_ char *dir = folder_of(c), *path = NULL;
        char hash[KT_SHA256_HEX_SIZE];
        int r;

        *ret = (struct initramfs){};
        r = collect(&in, k, userland, reterr);
        if (r < 0)
                return r;
        r = hash_inputs(&in, hash);
        if (r >= 0)
                r = keep_hashes(&in, userland->n, ret);
        path = r < 0 || !dir ? NULL : kt_format("%s/%s-%.*s.cpio", dir, k->key, HASH_DIGITS, hash);
        if (!path)
                return kt_error_set(reterr, r < 0 ? r : -ENOMEM, KT_E_INTERNAL,
                                    "cannot hash the initramfs's files");
        if (access(path, R_OK) < 0) {
                r = kt_mkdir_p(AT_FDCWD, dir, 0755);
                if (r >= 0)
                        r = make_archive(&in, dir, path);
                if (r == -ENOSPC || r == -EDQUOT)
                        return kcache_io_error(c, r, "cannot write the initramfs", reterr);
                if (r < 0)
                        return kt_error_set(
                                reterr, r, KT_E_IO,
                                "cannot write the initramfs %s: %s; the kernel cache's folder must be "
                                "writable, or choose another with KTSTR_CACHE_DIR",
                                path, strerror(-r));
        }
        ret->path = TAKE_PTR(path);
        return 0;
}

void initramfs_done(struct initramfs *i)
{
        for (size_t n = 0; n < i->n_files; n++)
                free(i->files[n].name);
        free(i->files);
        free(i->path);
        *i = (struct initramfs){};
}

int initramfs_has(const struct initramfs *i, const char *guest_path, int fd)
{
        char hex[KT_SHA256_HEX_SIZE];
        int r;

        for (size_t n = 0; n < i->n_files; n++) {
                if (guest_path[0] != '/' || strcmp(i->files[n].name, guest_path + 1) != 0)
                        continue;
                r = file_hash(fd, hex);
                return r < 0 ? r : strcmp(hex, i->files[n].sha256) == 0;
        }
        return 0;
}
