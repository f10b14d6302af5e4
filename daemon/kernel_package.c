/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_package.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define CHUNK (256U * 1024U)
#define FILE_MAX (2ULL << 30)

static void archive_freep(struct archive **a)
{
        archive_read_free(*a);
}

enum kernel_package_kind kernel_package_kind(int fd)
{
        char magic[8];

        if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic))
                return KERNEL_PACKAGE_NONE;
        if (memcmp(magic, "!<arch>\n", 8) == 0)
                return KERNEL_PACKAGE_DEB;
        return memcmp(magic, "\xed\xab\xee\xdb", 4) == 0 ? KERNEL_PACKAGE_RPM : KERNEL_PACKAGE_NONE;
}

bool kernel_package_is(int fd)
{
        return kernel_package_kind(fd) != KERNEL_PACKAGE_NONE;
}

static int damaged(struct archive *a, const char *name, struct kt_error *reterr)
{
        const char *why = a ? archive_error_string(a) : NULL;

        return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                            "%s is damaged or cut off: %s; fetch it again", name,
                            why ? why : "it ends too early");
}

static bool begins(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Where a member of the package goes, in `ret` (PATH_MAX not needed: names are short); false: it
 * is not wanted. */
static bool wanted(const char *path, bool modules, char *ret, size_t size)
{
        const char *base = strrchr(path, '/');
        const char *in_modules;
        size_t len;

        base = base ? base + 1 : path;
        if (begins(path, "./"))
                path += 2;
        if (begins(path, "boot/")) {
                if (begins(base, "vmlinuz-"))
                        return snprintf(ret, size, "vmlinuz") > 0;
                return begins(base, "config-") && snprintf(ret, size, "config") > 0;
        }
        in_modules = begins(path, "usr/lib/modules/") ? path + 16
                     : begins(path, "lib/modules/")   ? path + 12
                                                      : NULL;
        in_modules = in_modules ? strchr(in_modules, '/') : NULL;
        if (!in_modules)
                return false;
        if (strcmp(in_modules, "/vmlinuz") == 0 || strcmp(in_modules, "/config") == 0)
                return snprintf(ret, size, "%s", base) > 0;
        len = strcspn(base, ".");
        if (!modules || !begins(in_modules, "/kernel/drivers/") || !begins(base, "virtio") ||
            !begins(base + len, ".ko"))
                return false;
        snprintf(ret, size, "modules/%.*s.ko", (int)len, base);
        /* As modules name each other: virtio-rng.ko is virtio_rng. */
        for (char *p = ret; *p; p++)
                if (*p == '-')
                        *p = '_';
        return true;
}

static int write_member(struct archive *a, int out, const char *name, struct kt_error *reterr)
{
        _cleanup_free_ char *buf = malloc(CHUNK);
        uint64_t total = 0;
        la_ssize_t n;

        if (!buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        while ((n = archive_read_data(a, buf, CHUNK)) > 0) {
                total += (uint64_t)n;
                int r = total > FILE_MAX ? -EFBIG : kt_write_all(out, buf, (size_t)n);
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot unpack %s: %s", name, strerror(-r));
        }
        return n < 0 ? damaged(a, name, reterr) : 0;
}

/* What distributions pack with; libarchive knows more, for some of which it
 * would start programs. */
static void support_filters(struct archive *a)
{
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_lzma(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
}

/* Opened as an archive of one raw file. One that is not compressed is that too. */
int kernel_package_unpack_module(int fd, const char *name, int dir_fd, const char *to,
                                 struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *a = archive_read_new();
        _cleanup_close_ int out = openat(dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        struct archive_entry *entry;

        if (!a)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (out < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot unpack module %s: %s", to,
                                    strerror(errno));
        support_filters(a);
        archive_read_support_format_raw(a);
        if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(a, fd, CHUNK) != ARCHIVE_OK ||
            archive_read_next_header(a, &entry) != ARCHIVE_OK)
                return damaged(a, name, reterr);
        return write_member(a, out, name, reterr);
}

/* A module of a package may be compressed once more. */
static int unpack_module(int dir_fd, const char *path, const char *name, struct kt_error *reterr)
{
        _cleanup_free_ char *packed = kt_format("%s.packed", path);
        _cleanup_close_ int in = -1;
        int r;

        if (!packed)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (renameat(dir_fd, path, dir_fd, packed) < 0 ||
            (in = openat(dir_fd, packed, O_RDONLY | O_CLOEXEC)) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot unpack module %s: %s", path,
                                    strerror(errno));
        r = kernel_package_unpack_module(in, name, dir_fd, path, reterr);
        unlinkat(dir_fd, packed, 0);
        return r;
}

/* Of a file with several names the data comes once. */
static bool has_data(struct archive_entry *entry)
{
        return !archive_entry_hardlink(entry) || archive_entry_size(entry) > 0;
}

static int extract_members(struct archive *a, const char *name, int dir_fd, bool modules,
                           struct kt_error *reterr)
{
        struct archive_entry *entry;
        int s;

        while ((s = archive_read_next_header(a, &entry)) == ARCHIVE_OK || s == ARCHIVE_WARN) {
                char to[256];
                const char *path = archive_entry_pathname(entry);
                _cleanup_close_ int out = -1;

                if (!path || archive_entry_filetype(entry) != AE_IFREG || !has_data(entry) ||
                    !wanted(path, modules, to, sizeof(to)))
                        continue;
                if (begins(to, "modules/"))
                        (void)mkdirat(dir_fd, "modules", 0755);
                out = openat(dir_fd, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
                if (out < 0)
                        return kt_error_set(reterr, -errno, KT_E_IO, "cannot unpack %s: %s", name,
                                            strerror(errno));
                int r = write_member(a, out, name, reterr);
                if (r >= 0 && begins(to, "modules/"))
                        r = unpack_module(dir_fd, to, name, reterr);
                if (r < 0)
                        return r;
        }
        return s == ARCHIVE_EOF ? 0 : damaged(a, name, reterr);
}

struct inner {
        struct archive *outer;
        char *buf;
};

static la_ssize_t read_inner(struct archive *a, void *data, const void **ret)
{
        struct inner *in = data;
        la_ssize_t n = archive_read_data(in->outer, in->buf, CHUNK);

        if (n < 0)
                archive_set_error(a, EIO, "%s", archive_error_string(in->outer));
        *ret = in->buf;
        return n < 0 ? -1 : n;
}

/* The outer archive stands at data.tar.*: read that as an archive of its own, without a copy in between. */
static int extract_tar(struct archive *outer, const char *name, int dir_fd, bool modules,
                       struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *tar = archive_read_new();
        _cleanup_free_ char *buf = malloc(CHUNK);
        struct inner in = {outer, buf};

        if (!tar || !buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        support_filters(tar);
        archive_read_support_format_tar(tar);
        if (archive_read_open(tar, &in, NULL, read_inner, NULL) != ARCHIVE_OK)
                return damaged(tar, name, reterr);
        return extract_members(tar, name, dir_fd, modules, reterr);
}

static int extract_deb(int fd, const char *name, int dir_fd, bool modules, struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *ar = archive_read_new();
        struct archive_entry *entry;
        int s;

        if (!ar)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_read_support_format_ar(ar);
        if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(ar, fd, CHUNK) != ARCHIVE_OK)
                return damaged(ar, name, reterr);
        while ((s = archive_read_next_header(ar, &entry)) == ARCHIVE_OK) {
                const char *path = archive_entry_pathname(entry);

                if (path && begins(path, "data.tar"))
                        return extract_tar(ar, name, dir_fd, modules, reterr);
        }
        if (s != ARCHIVE_EOF)
                return damaged(ar, name, reterr);
        return kt_error_set(
                reterr, -EBADMSG, KT_E_BAD_KERNEL,
                "package %s has no data.tar: it is cut off, or no Debian package; fetch it again", name);
}

static int extract_rpm(int fd, const char *name, int dir_fd, bool modules, struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *cpio = archive_read_new();

        if (!cpio)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_read_support_filter_rpm(cpio);
        support_filters(cpio);
        archive_read_support_format_cpio(cpio);
        if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(cpio, fd, CHUNK) != ARCHIVE_OK)
                return damaged(cpio, name, reterr);
        return extract_members(cpio, name, dir_fd, modules, reterr);
}

int kernel_package_extract(int fd, const char *name, int dir_fd, bool modules, struct kt_error *reterr)
{
        return kernel_package_kind(fd) == KERNEL_PACKAGE_RPM
                       ? extract_rpm(fd, name, dir_fd, modules, reterr)
                       : extract_deb(fd, name, dir_fd, modules, reterr);
}
