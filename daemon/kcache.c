/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kcache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "kcache_internal.h"
#include "kernel_boot.h"
#include "kernel_download.h"

int kcache_lock_store(struct kcache *c, int how)
{
        int fd, r;

        if (mkdirat(c->root_fd, ".locks", 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(c->root_fd, ".locks/store.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        do
                r = flock(fd, how) < 0 ? -errno : 0;
        while (r == -EINTR);
        if (r < 0)
                close(fd);
        return r < 0 ? r : fd;
}

int kcache_io_error(struct kcache *c, int num, const char *what, struct kt_error *reterr)
{
        struct statvfs st;

        if ((num == -ENOSPC || num == -EDQUOT) && fstatvfs(c->root_fd, &st) == 0)
                return kt_error_set(reterr, num, KT_E_IO,
                                    "%s: no space left in %s (%llu MiB free) and a kernel takes about "
                                    "70 MiB; make room, or remove some with `ktstrctl kernel clean` or "
                                    "`ktstrctl kernel remove KEY`",
                                    what, c->root,
                                    (unsigned long long)st.f_bavail * st.f_frsize / (1024 * 1024));
        return kt_error_set(reterr, num, KT_E_IO, "%s in %s: %s", what, c->root, strerror(-num));
}

/* Temp folders whose maker is gone: their lock can be had. */
static void sweep(struct kcache *c)
{
        _cleanup_close_ int lock = kcache_lock_store(c, LOCK_EX | LOCK_NB);
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *e;

        if (lock < 0)
                return;
        dir = fdopendir(openat(c->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        while (dir && (e = readdir(dir))) {
                _cleanup_close_ int fd = -1;

                if (strncmp(e->d_name, TEMP_PREFIX, sizeof(TEMP_PREFIX) - 1) != 0)
                        continue;
                fd = openat(c->root_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
                        kt_remove_tree(c->root_fd, e->d_name);
        }
}

int kcache_open(const char *root, struct kcache **ret, struct kt_error *reterr)
{
        struct kcache *c = calloc(1, sizeof(*c));
        int r;

        if (!c || !(c->root = realpath(root, NULL))) {
                r = c ? kt_mkdir_p(AT_FDCWD, root, 0755) : -ENOMEM;
                if (r >= 0)
                        c->root = realpath(root, NULL);
                if (r >= 0 && !c->root)
                        r = -errno;
                if (r < 0) {
                        free(c);
                        return kt_error_set(reterr, r, KT_E_IO, "cannot make the kernel cache %s: %s", root,
                                            strerror(-r));
                }
        }
        c->root_fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->root_fd < 0) {
                r = kt_error_set(reterr, -errno, KT_E_IO, "cannot open the kernel cache %s: %s", root,
                                 strerror(errno));
                free(c->root);
                free(c);
                return r;
        }
        c->max_bytes = UINT64_MAX;
        pthread_mutex_init(&c->lock, NULL);
        sweep(c);
        initramfs_sweep(c);
        kernel_download_sweep(c->root);
        *ret = c;
        return 0;
}

void kcache_free(struct kcache *c)
{
        if (!c)
                return;
        kcache_keys_free(kcache_take_removed(c));
        pthread_mutex_destroy(&c->lock);
        close(c->root_fd);
        free(c->root);
        free(c);
}

const char *kcache_root(const struct kcache *c)
{
        return c->root;
}

/* --- listing --- */

static int newest_first(const void *a, const void *b)
{
        const struct kernel *x = *(struct kernel *const *)a, *y = *(struct kernel *const *)b;
        int d;

        if (!x->error != !y->error)
                return x->error ? 1 : -1;
        if (x->error)
                return strcmp(x->key, y->key);
        d = kernel_version_compare(y->version, x->version);
        if (d == 0)
                d = (int)kernel_rank(x) - (int)kernel_rank(y);
        if (d == 0)
                d = (strstr(y->release, "cloud") != NULL) - (strstr(x->release, "cloud") != NULL);
        /* Built anew, it is the new one that is meant. */
        if (d == 0)
                d = strcmp(y->built_at, x->built_at);
        return d ? d : strcmp(x->key, y->key);
}

/* Does this errno mean that there is no folder of that name, rather than that it cannot be looked at? */
static bool is_missing(int err)
{
        return err == ENOENT || err == ENOTDIR || err == ELOOP;
}

static bool is_same_folder(struct kcache *c, const char *key, int fd)
{
        struct stat by_name, by_fd;

        return fstatat(c->root_fd, key, &by_name, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &by_fd) == 0 &&
               by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

/* -ENOENT when there is no such entry; also when it was removed while we looked, which is not corrupt. Nor
 * is one that was replaced meanwhile, of which part of the old one and part of the new one was seen: it is
 * looked at again. Its folder is held open, so that no other gets its inode number. */
static int load_entry(struct kcache *c, const char *key, struct kernel **ret)
{
        for (;;) {
                _cleanup_close_ int folder =
                        openat(c->root_fd, key, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                struct kernel *k;
                int r;

                if (folder < 0)
                        return is_missing(errno) ? -ENOENT : -errno;
                r = kernel_load(c->root, key, &k);
                if (r < 0)
                        return r;
                if (is_same_folder(c, key, folder)) {
                        *ret = k;
                        return 0;
                }
                kernel_free(k);
        }
}

static int add_entry(struct kcache *c, const char *name, struct kernel ***list, size_t *n)
{
        struct kernel **grown = realloc(*list, (*n + 2) * sizeof(*grown));
        int r;

        if (!grown)
                return -ENOMEM;
        *list = grown;
        r = load_entry(c, name, &grown[*n]);
        if (r >= 0)
                (*n)++;
        grown[*n] = NULL;
        return r == -ENOENT ? 0 : r;
}

int kcache_list(struct kcache *c, struct kernel ***ret, struct kt_error *reterr)
{
        _cleanup_closedir_ DIR *dir = fdopendir(openat(c->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct kernel **list = calloc(1, sizeof(*list));
        struct dirent *e;
        size_t n = 0;
        int r = list ? 0 : -ENOMEM;

        if (!dir) {
                free(list);
                return kcache_io_error(c, -errno, "cannot list kernels", reterr);
        }
        while (r >= 0 && (e = readdir(dir))) {
                if (kernel_key_is_valid(e->d_name))
                        r = add_entry(c, e->d_name, &list, &n);
        }
        if (r < 0) {
                kernel_list_free(list);
                return r == -ENOMEM ? kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory")
                                    : kcache_io_error(c, r, "cannot list kernels", reterr);
        }
        qsort(list, n, sizeof(*list), newest_first);
        *ret = list;
        return 0;
}

void kernel_list_free(struct kernel **list)
{
        for (struct kernel **k = list; k && *k; k++)
                kernel_free(*k);
        free(list);
}

static int no_such_entry(struct kcache *c, const char *key, struct kt_error *reterr)
{
        if (kernel_version_is(key))
                return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "key",
                                          "no kernel '%s' in %s: that is a version, and a key is wanted; "
                                          "`ktstrctl kernel resolve %s` says which that is",
                                          key, c->root, key);
        return kt_error_set_field(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "key",
                                  "no kernel '%s' in %s; `ktstrctl kernel list` shows what is there", key,
                                  c->root);
}

static int cannot_read(struct kcache *c, const char *key, int num, struct kt_error *reterr)
{
        if (num == -ENOMEM)
                return kt_error_set(reterr, num, KT_E_INTERNAL, "out of memory");
        return kt_error_set(reterr, num, KT_E_IO, "cannot look at kernel %s in %s: %s", key, c->root,
                            strerror(-num));
}

int kcache_get(struct kcache *c, const char *key, struct kernel **ret, struct kt_error *reterr)
{
        int r;

        if (!kernel_key_is_valid(key))
                return kt_error_set_field(reterr, -EINVAL, KT_E_NO_SUCH_KERNEL, "key",
                                          "'%s' is no cache key", key);
        r = load_entry(c, key, ret);
        if (r == -ENOENT)
                return no_such_entry(c, key, reterr);
        return r < 0 ? cannot_read(c, key, r, reterr) : 0;
}

/* --- taking in and out --- */

int kcache_stage(struct kcache *c, char **ret_name, int *ret_fd, struct kt_error *reterr)
{
        _cleanup_close_ int lock = kcache_lock_store(c, LOCK_SH), fd = -1;
        _cleanup_free_ char *path = kt_path_join(c->root, TEMP_PREFIX "XXXXXX");
        _cleanup_free_ char *name = NULL;

        if (lock < 0)
                return kcache_io_error(c, lock, "cannot lock the kernel cache", reterr);
        if (!path || !mkdtemp(path))
                return kcache_io_error(c, path ? -errno : -ENOMEM, "cannot make a temporary folder", reterr);
        name = strdup(strrchr(path, '/') + 1);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (!name || fd < 0 || fchmod(fd, 0755) < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int r = name ? -errno : -ENOMEM;

                rmdir(path);
                return kcache_io_error(c, r, "cannot open a temporary folder", reterr);
        }
        *ret_name = TAKE_PTR(name);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int kcache_publish(struct kcache *c, const char *temp, int temp_fd, const char *key, struct kt_error *reterr)
{
        _cleanup_close_ int lock = -1;
        int r = kt_fsync_tree(temp_fd);

        if (r < 0)
                return kcache_io_error(c, r, "cannot store the kernel", reterr);
        lock = kcache_lock_store(c, LOCK_EX);
        if (lock < 0)
                return kcache_io_error(c, lock, "cannot lock the kernel cache", reterr);
        if (faccessat(c->root_fd, key, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return -EEXIST;
        r = kcache_make_room(c, kcache_folder_bytes(temp_fd), NULL, reterr);
        if (r < 0)
                return r;
        /* Under its new name its lock means a lease, so ours must be gone before it can be seen. No sweep
         * comes in between: it would need the lock that we hold. */
        flock(temp_fd, LOCK_UN);
        if (renameat2(c->root_fd, temp, c->root_fd, key, RENAME_NOREPLACE) < 0) {
                r = -errno;
                flock(temp_fd, LOCK_EX | LOCK_NB);
                return r == -EEXIST ? r : kcache_io_error(c, r, "cannot store the kernel", reterr);
        }
        return fsync(c->root_fd) < 0 ? kcache_io_error(c, -errno, "cannot store the kernel", reterr) : 0;
}

/* --- what was removed --- */

/* Where memory is short it is not told: the guests of such a kernel go when nobody asks for them. */
static void note_removed(struct kcache *c, const char *key)
{
        char *copy = strdup(key), **grown;

        pthread_mutex_lock(&c->lock);
        grown = copy ? reallocarray(c->removed, c->n_removed + 2, sizeof(*grown)) : NULL;
        if (grown) {
                grown[c->n_removed++] = copy;
                grown[c->n_removed] = NULL;
                c->removed = grown;
        } else
                free(copy);
        pthread_mutex_unlock(&c->lock);
}

char **kcache_take_removed(struct kcache *c)
{
        char **keys;

        pthread_mutex_lock(&c->lock);
        keys = TAKE_PTR(c->removed);
        c->n_removed = 0;
        pthread_mutex_unlock(&c->lock);
        return keys;
}

void kcache_keys_free(char **keys)
{
        for (char **k = keys; k && *k; k++)
                free(*k);
        free(keys);
}

/* --- replacing and removing --- */

/* Keep everybody from using it, until the descriptor that is returned is closed. Without a text: -ENOENT,
 * -EBUSY while somebody leases it. */
static int take_whole(struct kcache *c, const char *key)
{
        _cleanup_close_ int fd = openat(c->root_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return is_missing(errno) ? -ENOENT : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return TAKE_FD(fd);
}

/* Under the name of the temp folder, where a sweep would find it, were it not for our lock on it. */
static void remove_replaced(struct kcache *c, const char *temp, const char *key)
{
        int r = kt_remove_tree(c->root_fd, temp);

        if (r < 0)
                kt_log_warning("%s/%s, that was replaced, cannot be removed: %s", c->root, temp,
                               strerror(-r));
        note_removed(c, key);
}

int kcache_replace(struct kcache *c, const char *temp, int temp_fd, const char *key, struct kt_error *reterr)
{
        _cleanup_close_ int lock = -1, old = -1;
        int r = kt_fsync_tree(temp_fd);

        if (r < 0)
                return kcache_io_error(c, r, "cannot store the kernel", reterr);
        lock = kcache_lock_store(c, LOCK_EX);
        if (lock < 0)
                return kcache_io_error(c, lock, "cannot lock the kernel cache", reterr);
        old = take_whole(c, key);
        if (old == -ENOENT)
                return old;
        if (old == -EBUSY)
                return kt_error_set(
                        reterr, old, KT_E_BUSY,
                        "kernel %s is in use by a job, so the one that was built cannot take its "
                        "place; build it again when the job has ended",
                        key);
        if (old < 0)
                return kcache_io_error(c, old, "cannot store the kernel", reterr);
        r = kcache_make_room(c, kcache_folder_bytes(temp_fd), key, reterr);
        if (r < 0)
                return r;
        /* What was made of it and learned of it, while nobody can be using it. */
        initramfs_forget(c, key);
        kernel_boot_forget(c->root, key);
        flock(temp_fd, LOCK_UN);
        if (renameat2(c->root_fd, temp, c->root_fd, key, RENAME_EXCHANGE) < 0) {
                r = -errno;
                flock(temp_fd, LOCK_EX | LOCK_NB);
                return kcache_io_error(c, r, "cannot store the kernel", reterr);
        }
        r = fsync(c->root_fd) < 0 ? kcache_io_error(c, -errno, "cannot store the kernel", reterr) : 0;
        remove_replaced(c, temp, key);
        return r;
}

/* A name that nothing has; a remover that was killed may have left some. template ends in XXXXXX; the
 * store's lock is held. */
static int free_name(struct kcache *c, char *template)
{
        char *digits = strchr(template, '\0') - 6;
        struct stat st;

        for (unsigned i = 0; i < 1000000; i++) {
                snprintf(digits, 7, "%06u", i);
                if (fstatat(c->root_fd, template, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return errno == ENOENT ? 0 : -errno;
        }
        return -EEXIST;
}

/* -EAGAIN: somebody has it exclusively, or it is another folder by now. -ENOENT: there is none. */
static int try_lease(struct kcache *c, const char *key)
{
        _cleanup_close_ int fd = openat(c->root_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return is_missing(errno) ? -ENOENT : -errno;
        if (flock(fd, LOCK_SH | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        return is_same_folder(c, key, fd) ? TAKE_FD(fd) : -EAGAIN;
}

int kcache_lease(struct kcache *c, const char *key, int *ret_fd, struct kt_error *reterr)
{
        _cleanup_close_ int lock = -1;
        int fd = try_lease(c, key);

        /* Whoever has it exclusively, to remove it, to replace it or to see whether it could, holds the
         * store's lock. */
        if (fd == -EAGAIN && (lock = kcache_lock_store(c, LOCK_SH)) >= 0)
                fd = try_lease(c, key);
        if (fd == -EAGAIN)
                return kt_error_set(reterr, -EBUSY, KT_E_NO_SUCH_KERNEL, "kernel %s is being removed", key);
        if (fd == -ENOENT)
                return kt_error_set(reterr, fd, KT_E_NO_SUCH_KERNEL, "kernel %s is not in %s any more", key,
                                    c->root);
        if (fd < 0)
                return kt_error_set(reterr, fd, KT_E_IO, "cannot lease kernel %s in %s: %s", key, c->root,
                                    strerror(-fd));
        *ret_fd = fd;
        return 0;
}

int kcache_is_free(struct kcache *c, const char *key, struct kt_error *reterr)
{
        _cleanup_close_ int fd = take_whole(c, key);

        if (fd >= 0 || fd == -ENOENT || fd == -EBUSY)
                return fd < 0 ? fd : 0;
        return kcache_io_error(c, fd, "cannot see whether a kernel is in use", reterr);
}

int kcache_remove_locked(struct kcache *c, const char *key, struct kt_error *reterr)
{
        _cleanup_close_ int fd = take_whole(c, key);
        char temp[] = TEMP_PREFIX "gone-XXXXXX";
        int r;

        if (fd == -ENOENT)
                return fd;
        if (fd == -EBUSY)
                return kt_error_set(reterr, fd, KT_E_BUSY,
                                    "kernel %s is in use by a job; try again when it has ended", key);
        if (fd < 0)
                return kcache_io_error(c, fd, "cannot remove the kernel", reterr);
        /* Out of sight at once, then gone: a reader sees it whole or not at all. */
        r = free_name(c, temp);
        if (r >= 0 && renameat2(c->root_fd, key, c->root_fd, temp, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r < 0)
                return kcache_io_error(c, r, "cannot remove the kernel", reterr);
        note_removed(c, key);
        initramfs_forget(c, key);
        kernel_boot_forget(c->root, key);
        kcache_forget_use(c, key);
        kcache_forget_key_lock(c, key);
        r = kt_remove_tree(c->root_fd, temp);
        return r < 0 ? kcache_io_error(c, r, "cannot remove the kernel", reterr) : 0;
}

int kcache_remove(struct kcache *c, const char *key, struct kt_error *reterr)
{
        _cleanup_close_ int lock = -1;
        int r;

        if (!kernel_key_is_valid(key))
                return kt_error_set_field(reterr, -EINVAL, KT_E_NO_SUCH_KERNEL, "key",
                                          "'%s' is no cache key", key);
        lock = kcache_lock_store(c, LOCK_EX);
        if (lock < 0)
                return kcache_io_error(c, lock, "cannot lock the kernel cache", reterr);
        r = kcache_remove_locked(c, key, reterr);
        return r == -ENOENT ? no_such_entry(c, key, reterr) : r;
}
