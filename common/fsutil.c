/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cleanup.h"

/* Folders nested deeper than this are nobody's honest work, and each level holds a descriptor open. */
#define TREE_DEPTH_MAX 256

#define COPY_CHUNK (1U << 20)
#define COPY_BUFFER (64U * 1024U)

char *kt_format(const char *fmt, ...)
{
        char *text;
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
        return n < 0 ? NULL : text;
}

char *kt_path_join(const char *a, const char *b)
{
        size_t len = strlen(a);

        while (len > 0 && a[len - 1] == '/')
                len--;
        while (*b == '/')
                b++;
        return kt_format("%.*s/%s", (int)len, a, b);
}

static bool is_dir_at(int dir_fd, const char *path)
{
        struct stat st;

        return fstatat(dir_fd, path, &st, 0) >= 0 && S_ISDIR(st.st_mode);
}

static int mkdir_one(int dir_fd, const char *path, mode_t mode)
{
        int r = mkdirat(dir_fd, path, mode) < 0 ? -errno : 0;

        if (r == -EEXIST)
                return is_dir_at(dir_fd, path) ? 0 : -ENOTDIR;
        /* A read-only file system says so before it says that the folder is there. */
        return r == -EROFS && is_dir_at(dir_fd, path) ? 0 : r;
}

int kt_mkdir_p(int dir_fd, const char *path, mode_t mode)
{
        _cleanup_free_ char *copy = strdup(path);
        int r;

        if (!copy)
                return -ENOMEM;
        for (char *slash = copy + strspn(copy, "/"); (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                r = mkdir_one(dir_fd, copy, mode);
                *slash = '/';
                if (r < 0)
                        return r;
        }
        return mkdir_one(dir_fd, copy, mode);
}

/* size: what it is said to have; proc's files say nothing, and sysfs' at times too much. */
static int read_to_end(int fd, size_t max, size_t size, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *buf = NULL;
        size_t len = 0, allocated = 0;

        for (;;) {
                ssize_t n;

                /* One byte for the NUL, and one to notice that the file is larger than allowed. */
                if (allocated - len < 2) {
                        size_t want = allocated ? allocated * 2 : size + 2 > 4096 ? size + 2 : 4096;
                        char *grown;

                        if (want > max + 2)
                                want = max + 2;
                        grown = realloc(buf, want);
                        if (!grown)
                                return -ENOMEM;
                        buf = grown;
                        allocated = want;
                }
                n = read(fd, buf + len, allocated - len - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                len += (size_t)n;
                if (len > max)
                        return -EFBIG;
        }

        buf[len] = '\0';
        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = len;
        return 0;
}

int kt_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = -1;
        struct stat st;

        /* A FIFO in the file's place must not block us. */
        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return read_to_end(fd, max, st.st_size < (off_t)max ? (size_t)st.st_size : max, ret, ret_size);
}

int kt_read_all(int fd, void *buf, size_t size)
{
        char *p = buf;

        while (size > 0) {
                ssize_t n = read(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENODATA;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int kt_write_all(int fd, const void *buf, size_t size)
{
        const char *p = buf;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int kt_pwrite_all(int fd, const void *buf, size_t size, uint64_t offset)
{
        const char *p = buf;

        while (size > 0) {
                ssize_t n = pwrite(fd, p, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                offset += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

/* A new file beside the one to publish. *ret_name is malloced. */
static int create_temp(int dir_fd, mode_t mode, char **ret_name, int *ret_fd)
{
        for (int tries = 0; tries < 16; tries++) {
                _cleanup_free_ char *name = NULL;
                uint64_t salt;
                int fd;

                if (getrandom(&salt, sizeof(salt), GRND_NONBLOCK) != sizeof(salt))
                        salt = (uint64_t)getpid() << 8 | (uint64_t)tries;
                name = kt_format(".tmp-%016llx", (unsigned long long)salt);
                if (!name)
                        return -ENOMEM;
                fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
                if (fd < 0 && errno == EEXIST)
                        continue;
                if (fd < 0)
                        return -errno;
                *ret_name = TAKE_PTR(name);
                *ret_fd = fd;
                return 0;
        }
        return -EEXIST;
}

static int fill_temp(int fd, const void *data, size_t size, mode_t mode, bool sync)
{
        int r;

        /* The mode is what was asked for, whatever the umask. */
        if (fchmod(fd, mode) < 0)
                return -errno;
        r = kt_write_all(fd, data, size);
        if (r < 0)
                return r;
        return sync && fsync(fd) < 0 ? -errno : 0;
}

static int fsync_dir(int dir_fd)
{
        _cleanup_close_ int fd = -1;

        /* dir_fd may be AT_FDCWD or O_PATH, neither of which can be synced. */
        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int put_file(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, bool sync)
{
        _cleanup_free_ char *temp = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = create_temp(dir_fd, mode, &temp, &fd);
        if (r < 0)
                return r;
        r = fill_temp(fd, data, size, mode, sync);
        if (r >= 0 && renameat(dir_fd, temp, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dir_fd, temp, 0);
                return r;
        }
        return sync ? fsync_dir(dir_fd) : 0;
}

int kt_publish_file(int dir_fd, const char *name, const void *data, size_t size, mode_t mode)
{
        return put_file(dir_fd, name, data, size, mode, true);
}

int kt_replace_file(int dir_fd, const char *name, const void *data, size_t size, mode_t mode)
{
        return put_file(dir_fd, name, data, size, mode, false);
}

static int copy_by_hand(int in, int out, uint64_t max, uint64_t *copied)
{
        _cleanup_free_ char *buf = malloc(COPY_BUFFER);
        int r;

        if (!buf)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(in, buf, COPY_BUFFER);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                r = kt_write_all(out, buf, (size_t)n);
                if (r < 0)
                        return r;
                *copied += (uint64_t)n;
                if (*copied > max)
                        return -EFBIG;
        }
}

/* Does this failure of copy_file_range mean "not with these two files" rather than "not at all"? */
static bool must_copy_by_hand(int err)
{
        return err == EXDEV || err == EINVAL || err == ENOSYS || err == EOPNOTSUPP || err == EPERM ||
               err == EBADF || err == ETXTBSY;
}

int kt_copy_fd(int in, int out, uint64_t max, uint64_t *ret_bytes)
{
        uint64_t copied = 0;
        int r = 0;

        for (;;) {
                ssize_t n = copy_file_range(in, NULL, out, NULL, COPY_CHUNK, 0);

                if (n > 0) {
                        copied += (uint64_t)n;
                        if (copied > max)
                                return -EFBIG;
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && !must_copy_by_hand(errno))
                        return -errno;
                /* Files of proc and sysfs claim to be empty; reading is what tells. */
                if (n < 0 || copied == 0)
                        r = copy_by_hand(in, out, max, &copied);
                break;
        }
        if (r >= 0 && ret_bytes)
                *ret_bytes = copied;
        return r;
}

static bool is_dot(const char *name)
{
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Reads dir_fd, which stays the caller's and whose position is left alone. */
static DIR *open_entries(int dir_fd)
{
        _cleanup_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d;

        if (fd < 0)
                return NULL;
        d = fdopendir(fd);
        if (d)
                TAKE_FD(fd);
        return d;
}

/* Bind mounts share the device number of what they show, so the attribute is what counts. */
static int is_mount_root(int fd)
{
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 0, &stx) < 0)
                return -errno;
        return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int remove_at(int dir_fd, const char *name, unsigned int depth);

static int remove_entries(int fd, unsigned int depth)
{
        _cleanup_closedir_ DIR *d = open_entries(fd);
        struct dirent *de;
        int first = 0;

        if (!d)
                return -errno;
        for (errno = 0; (de = readdir(d)); errno = 0) {
                int r = is_dot(de->d_name) ? 0 : remove_at(fd, de->d_name, depth);

                /* As much as possible goes; the first failure is the one to tell. */
                if (r < 0 && first == 0)
                        first = r;
        }
        return first ?: -errno;
}

static int remove_at(int dir_fd, const char *name, unsigned int depth)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (depth == 0)
                return -ELOOP;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : errno == ENOTDIR ? -EPERM : -errno;
        r = is_mount_root(fd);
        if (r != 0)
                return r < 0 ? r : -EBUSY;
        r = remove_entries(fd, depth - 1);
        if (r < 0)
                return r;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}

int kt_remove_tree(int dir_fd, const char *name)
{
        return remove_at(dir_fd, name, TREE_DEPTH_MAX);
}

static int fsync_below(int dir_fd, unsigned int depth);

static int fsync_entry(int dir_fd, const char *name, unsigned int depth)
{
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
                return 0;
        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return fsync_below(fd, depth);
        return fsync(fd) < 0 ? -errno : 0;
}

static int fsync_below(int dir_fd, unsigned int depth)
{
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int r;

        if (depth == 0)
                return -ELOOP;
        d = open_entries(dir_fd);
        if (!d)
                return -errno;
        for (errno = 0; (de = readdir(d)); errno = 0) {
                r = is_dot(de->d_name) ? 0 : fsync_entry(dir_fd, de->d_name, depth - 1);
                if (r < 0)
                        return r;
        }
        return errno ? -errno : fsync_dir(dir_fd);
}

int kt_fsync_tree(int dir_fd)
{
        return fsync_below(dir_fd, TREE_DEPTH_MAX);
}
