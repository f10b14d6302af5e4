/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "archive_filters.h"

#define CHUNK (256U * 1024U)
#define SOURCE_MAX (2LL << 30)

/* The package, an ar archive that stands at its data.tar.*. */
struct outer {
        struct archive *archive;
        char *buf;
};

static const char *base_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool is_source(const char *path)
{
        const char *base = base_of(path);

        if (strncmp(path, "./", 2) == 0)
                path += 2;
        return strncmp(path, "usr/src/", 8) == 0 && strncmp(base, "linux-source-", 13) == 0 &&
               strstr(base, ".tar.");
}

static int damaged(struct archive *a, const char *deb, struct kt_error *reterr)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s is damaged or cut off: %s", base_of(deb),
                            archive_error_string(a) ?: "it ends too early");
}

static la_ssize_t read_outer(struct archive *a, void *data, const void **ret)
{
        struct outer *o = data;
        la_ssize_t n = archive_read_data(o->archive, o->buf, CHUNK);

        if (n < 0)
                archive_set_error(a, EIO, "%s", archive_error_string(o->archive));
        *ret = o->buf;
        return n < 0 ? -1 : n;
}

static int copy_out(struct archive *tar, int64_t size, const char *deb, int fd, struct kt_error *reterr)
{
        _cleanup_free_ char *buf = malloc(CHUNK);
        int64_t done = 0;
        la_ssize_t n;
        int r = 0;

        if (!buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        while (r >= 0 && (n = archive_read_data(tar, buf, CHUNK)) > 0) {
                done += n;
                r = done > SOURCE_MAX ? -EFBIG : kt_write_all(fd, buf, (size_t)n);
                answer_progress(done, size, "bytes", NULL);
        }
        if (r >= 0 && n < 0)
                return damaged(tar, deb, reterr);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot unpack %s: %s", base_of(deb), strerror(-r))
                     : 0;
}

static int take_out(struct archive *tar, struct archive_entry *entry, const char *deb, const char *path,
                    struct kt_error *reterr)
{
        _cleanup_free_ char *part = kt_format("%s.part", path);
        _cleanup_close_ int fd = -1;
        int r;

        if (!part)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot write %s: %s", part, strerror(errno));
        r = copy_out(tar, archive_entry_size(entry), deb, fd, reterr);
        if (r >= 0 && rename(part, path) < 0)
                r = kt_error_set(reterr, -errno, KT_E_IO, "cannot write %s: %s", path, strerror(errno));
        if (r < 0)
                (void)unlink(part);
        return r;
}

static int search_tar(struct archive *outer, const char *deb, const char *path, struct kt_error *reterr)
{
        _cleanup_(archive_read_freep) struct archive *tar = archive_read_new();
        _cleanup_free_ char *buf = malloc(CHUNK);
        struct outer o = {outer, buf};
        struct archive_entry *entry;
        int s;

        if (!tar || !buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_support_source_filters(tar);
        archive_read_support_format_tar(tar);
        if (archive_read_open(tar, &o, NULL, read_outer, NULL) != ARCHIVE_OK)
                return damaged(tar, deb, reterr);
        while ((s = archive_read_next_header(tar, &entry)) == ARCHIVE_OK || s == ARCHIVE_WARN) {
                const char *name = archive_entry_pathname(entry);

                if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
                    !is_source(name))
                        continue;
                return take_out(tar, entry, deb, path, reterr);
        }
        if (s != ARCHIVE_EOF)
                return damaged(tar, deb, reterr);
        return kt_error_set(
                reterr, -ENOENT, KT_E_BAD_KERNEL,
                "%s has no usr/src/linux-source-*.tar.* in it: name a package such as linux-source-6.12, "
                "that a kernel's source is in",
                base_of(deb));
}

int deb_take_source(const char *deb, const char *path, struct kt_error *reterr)
{
        _cleanup_(archive_read_freep) struct archive *ar = archive_read_new();
        struct archive_entry *entry;
        int s;

        if (!ar)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_read_support_format_ar(ar);
        if (archive_read_open_filename(ar, deb, CHUNK) != ARCHIVE_OK)
                return damaged(ar, deb, reterr);
        while ((s = archive_read_next_header(ar, &entry)) == ARCHIVE_OK) {
                const char *name = archive_entry_pathname(entry);

                if (name && strncmp(name, "data.tar", 8) == 0)
                        return search_tar(ar, deb, path, reterr);
        }
        return s != ARCHIVE_EOF
                       ? damaged(ar, deb, reterr)
                       : kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s has no data.tar in it", deb);
}
