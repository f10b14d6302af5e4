/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Using an entry: that it is what was stored, and when that was; and the locks of keys. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "file_hash.h"
#include "kcache_internal.h"

/* --- when it was used --- */

/* Its modification time says when. Where it cannot be written an entry is as one that was never used. */
void kcache_touch(struct kcache *c, const char *key)
{
        _cleanup_free_ char *path = kt_format(".used/%s", key);
        _cleanup_close_ int fd = -1;

        if (!path || (mkdirat(c->root_fd, ".used", 0755) < 0 && errno != EEXIST))
                return;
        fd = openat(c->root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (fd >= 0)
                (void)futimens(fd, NULL);
}

void kcache_forget_use(struct kcache *c, const char *key)
{
        _cleanup_free_ char *path = kt_format(".used/%s", key);

        if (path)
                unlinkat(c->root_fd, path, 0);
}

/* --- that it is what was stored --- */

/* Takes why. */
static int not_what_was_stored(struct kcache *c, const struct kernel *k, char *why, struct kt_error *reterr)
{
        _cleanup_close_ int dir = openat(c->root_fd, k->key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *text = why;
        int r = !text     ? -ENOMEM
                : dir < 0 ? -errno
                          : kt_publish_file(dir, KERNEL_CORRUPT_MARK, text, strlen(text), 0644);

        if (r < 0)
                kt_log_warning("kernel %s in %s is corrupt and cannot be marked as such: %s", k->key,
                               c->root, strerror(-r));
        return kt_error_set_field(reterr, -EBADMSG, KT_E_IO, "kernel",
                                  "cached kernel %s is corrupt: %s; remove it with `ktstrctl kernel remove "
                                  "%s`, then %s it again",
                                  k->key, text ?: "it is not what was stored", k->key,
                                  kernel_is_built(k) ? "build" : "import");
}

static int verify_file(struct kcache *c, const struct kernel *k, const char *path, const char *sha256,
                       struct kt_error *reterr)
{
        _cleanup_close_ int fd = -1;
        char hex[KT_SHA256_HEX_SIZE];
        int r;

        /* Entries of earlier versions do not say. */
        if (!path || !sha256)
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        r = fd < 0 ? -errno : file_hash(fd, hex);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s of kernel %s: %s", path, k->key,
                                    strerror(-r));
        if (strcmp(hex, sha256) == 0)
                return 0;
        return not_what_was_stored(
                c, k,
                kt_format("its file %s is not what was stored (its SHA-256 begins with %.12s, not %.12s)",
                          path, hex, sha256),
                reterr);
}

/* Once more, now that nobody can remove or replace it. */
static int read_again(struct kcache *c, const char *key, const char *image_sha256, struct kernel **ret,
                      struct kt_error *reterr)
{
        struct kernel *k;
        int r = kcache_get(c, key, &k, reterr);

        if (r < 0)
                return r;
        if (k->error)
                r = kt_error_set_field(reterr, -EBADMSG, KT_E_IO, "kernel",
                                       "cached kernel %s is corrupt: %s; remove it with `ktstrctl kernel "
                                       "remove %s`, then import or build it again",
                                       key, k->error, key);
        else if (image_sha256 && strcmp(image_sha256, k->image_sha256) != 0)
                r = kt_error_set(reterr, -ESTALE, KT_E_NO_SUCH_KERNEL,
                                 "kernel %s was replaced by another of that name meanwhile; try again", key);
        if (r < 0)
                kernel_free(k);
        else
                *ret = k;
        return r;
}

int kcache_use(struct kcache *c, const char *key, const char *image_sha256, struct kernel **ret, int *ret_fd,
               struct kt_error *reterr)
{
        _cleanup_close_ int lease = -1;
        struct kernel *k = NULL;
        int r = kcache_lease(c, key, &lease, reterr);

        if (r >= 0)
                r = read_again(c, key, image_sha256, &k, reterr);
        if (r >= 0)
                r = verify_file(c, k, k->image_path, k->image_sha256, reterr);
        if (r >= 0)
                r = verify_file(c, k, k->btf_path, k->btf_sha256, reterr);
        if (r >= 0)
                r = verify_file(c, k, k->config_path, k->config_sha256, reterr);
        if (r < 0) {
                kernel_free(k);
                return r;
        }
        kcache_touch(c, key);
        *ret_fd = TAKE_FD(lease);
        if (ret)
                *ret = k;
        else
                kernel_free(k);
        return 0;
}

/* --- locks of keys --- */

static char *lock_path(const char *key)
{
        return kt_format(".locks/%s.lock", key);
}

static bool is_still_there(struct kcache *c, const char *path, int fd)
{
        struct stat by_name, by_fd;

        return fstatat(c->root_fd, path, &by_name, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &by_fd) == 0 &&
               by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

/* -EAGAIN: what was locked was removed while it was waited for. */
static int lock_once(struct kcache *c, const char *path, int how)
{
        _cleanup_close_ int fd = openat(c->root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        int r;

        if (fd < 0)
                return -errno;
        do
                r = flock(fd, how) < 0 ? -errno : 0;
        while (r == -EINTR);
        if (r < 0)
                return r == -EWOULDBLOCK ? -EBUSY : r;
        return is_still_there(c, path, fd) ? TAKE_FD(fd) : -EAGAIN;
}

int kcache_lock_key(struct kcache *c, const char *key, bool wait, int *ret_fd, struct kt_error *reterr)
{
        _cleanup_free_ char *path = lock_path(key);
        int fd;

        /* The store's own lock is beside them. */
        if (!kernel_key_is_valid(key) || strcmp(key, "store") == 0)
                return kt_error_set_field(reterr, -EINVAL, KT_E_NO_SUCH_KERNEL, "key",
                                          "'%s' is no cache key", key);
        if (!path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (mkdirat(c->root_fd, ".locks", 0755) < 0 && errno != EEXIST)
                return kcache_io_error(c, -errno, "cannot lock a kernel", reterr);
        do
                fd = lock_once(c, path, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
        while (fd == -EAGAIN);
        if (fd == -EBUSY)
                return fd;
        if (fd < 0)
                return kcache_io_error(c, fd, "cannot lock a kernel", reterr);
        *ret_fd = fd;
        return 0;
}

/* With the lock held, so that whoever waits for it sees that it is another file by then. */
void kcache_forget_key_lock(struct kcache *c, const char *key)
{
        _cleanup_free_ char *path = strcmp(key, "store") == 0 ? NULL : lock_path(key);
        _cleanup_close_ int fd = path ? openat(c->root_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(c, path, fd))
                unlinkat(c->root_fd, path, 0);
}
