/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "archive_filters.h"

#define CHUNK (256U * 1024U)
/* A kernel's source is 2 GB and 100000 files. */
#define UNPACKED_MAX (16LL << 30)
#define ENTRIES_MAX 2000000

/* Written nowhere but below the folder that we stand in, through no link, with no owner and no set-uid bit.
 */
#define EXTRACT_FLAGS                                                                                       \
        (ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_SECURE_SYMLINKS |                  \
         ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

struct unpacking {
        const char *name;
        struct archive *in, *out;
        char *top; /* the one folder that all is in; NULL until it is known */
        int64_t packed_size, unpacked;
        long entries;
        struct kt_error *reterr;
};

static int bad(struct unpacking *u, const char *path, const char *what)
{
        return kt_error_set(u->reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s: %.200s in it %s; it is not unpacked",
                            u->name, path, what);
}

static int damaged(struct unpacking *u)
{
        const char *why = archive_error_string(u->in);
        /* The last is what liblzma says when it wants more than there is. */
        bool cut = why && (strcasestr(why, "truncated") || strcasestr(why, "premature") ||
                           strstr(why, "No progress is possible"));

        return kt_error_set(u->reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s is %s: %s; fetch it again", u->name,
                            cut ? "cut off" : "damaged, or no tarball", why ?: "no more is known");
}

static int cannot_write(struct unpacking *u, const char *path, int r)
{
        return kt_error_set(u->reterr, r, KT_E_IO, "cannot unpack %s of %s: %s", path, u->name,
                            strerror(-r));
}

/* Without "./" in front: "" is the folder that the tarball was made in. */
static const char *plain(const char *path)
{
        while (path[0] == '.' && (path[1] == '/' || !path[1]))
                path += 1 + strspn(path + 1, "/");
        return path;
}

/* Where a path leads, as one below the top, "" for the top itself; NULL: out of it. */
static const char *below_top(struct unpacking *u, const char *path)
{
        size_t len;

        path = plain(path);
        len = strcspn(path, "/");
        if (!u->top)
                u->top = strndup(path, len);
        if (len == 0 || !u->top || strlen(u->top) != len || strncmp(path, u->top, len) != 0)
                return NULL;
        return path + len + strspn(path + len, "/");
}

/* How deep is the folder that this path, begun `depth` folders below the top, ends in? -1: it was above the
 * top on its way. */
static int walk(const char *path, int depth)
{
        while (*path && depth >= 0) {
                size_t len = strcspn(path, "/");

                if (len == 2 && path[0] == '.' && path[1] == '.')
                        depth--;
                else if (len > 0 && !(len == 1 && path[0] == '.'))
                        depth++;
                path += len + strspn(path + len, "/");
        }
        return depth;
}

static bool has_dotdot(const char *path)
{
        for (const char *p = path; *p; p += strcspn(p, "/"), p += strspn(p, "/"))
                if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
                        return true;
        return false;
}

/* Make entry one of the tree without its top folder. 1: it is the top itself, or what that is in. */
static int move_up(struct unpacking *u, struct archive_entry *entry, const char *path)
{
        const char *to, *link = archive_entry_symlink(entry), *hard = archive_entry_hardlink(entry);
        __LA_MODE_T type = archive_entry_filetype(entry);
        _cleanup_free_ char *copy = NULL;

        if (path[0] == '/' || has_dotdot(path))
                return bad(u, path, "leads out of it");
        if (!*plain(path))
                return 1;
        to = below_top(u, path);
        if (!to)
                return bad(u, path, "is not in the one folder that a kernel's source is in");
        if (!*to)
                return type == AE_IFDIR
                               ? 1
                               : bad(u, path, "stands at its top: a kernel's source is in one folder");
        if (hard) {
                hard = has_dotdot(hard) ? NULL : below_top(u, hard);
                if (!hard || !*hard)
                        return bad(u, path, "is a link out of it");
        } else if (type == AE_IFLNK) {
                if (!link || link[0] == '/' || walk(link, walk(to, 0) - 1) < 0)
                        return bad(u, path, "is a link out of it");
        } else if (type != AE_IFREG && type != AE_IFDIR)
                return bad(u, path, "is neither file, folder nor link");
        copy = strdup(to);
        if (!copy)
                return kt_error_set(u->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (hard) {
                _cleanup_free_ char *hard_copy = strdup(hard);

                if (!hard_copy)
                        return kt_error_set(u->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
                archive_entry_copy_hardlink(entry, hard_copy);
        }
        archive_entry_copy_pathname(entry, copy);
        archive_entry_set_perm(entry,
                               (archive_entry_perm(entry) & 0777) | 0600 | (type == AE_IFDIR ? 0100 : 0));
        return 0;
}

static int copy_content(struct unpacking *u, const char *path)
{
        const void *data;
        size_t size;
        la_int64_t offset;
        int s;

        while ((s = archive_read_data_block(u->in, &data, &size, &offset)) == ARCHIVE_OK) {
                u->unpacked += (int64_t)size;
                if (u->unpacked > UNPACKED_MAX)
                        return bad(u, path, "is beyond 16 GiB, which no kernel's source is");
                if (archive_write_data_block(u->out, data, size, offset) < ARCHIVE_OK)
                        return cannot_write(u, path, -(archive_errno(u->out) ?: EIO));
        }
        return s == ARCHIVE_EOF ? 0 : damaged(u);
}

static int unpack_entry(struct unpacking *u, struct archive_entry *entry)
{
        _cleanup_free_ char *path = NULL;
        int r;

        if (!archive_entry_pathname(entry))
                return damaged(u);
        path = strdup(archive_entry_pathname(entry));
        if (!path)
                return kt_error_set(u->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (++u->entries > ENTRIES_MAX)
                return bad(u, path, "is one file too many for a kernel's source");
        r = move_up(u, entry, path);
        if (r != 0)
                return r < 0 ? r : 0;
        if (archive_write_header(u->out, entry) < ARCHIVE_WARN)
                return cannot_write(u, path, -(archive_errno(u->out) > 0 ? archive_errno(u->out) : EPERM));
        r = archive_entry_size(entry) > 0 ? copy_content(u, path) : 0;
        if (r >= 0 && archive_write_finish_entry(u->out) < ARCHIVE_WARN)
                r = cannot_write(u, path, -(archive_errno(u->out) ?: EIO));
        return r;
}

static int unpack_entries(struct unpacking *u)
{
        struct archive_entry *entry;
        int s, r;

        while ((s = archive_read_next_header(u->in, &entry)) == ARCHIVE_OK || s == ARCHIVE_WARN) {
                r = unpack_entry(u, entry);
                if (r < 0)
                        return r;
                answer_progress(archive_filter_bytes(u->in, -1), u->packed_size, "bytes", NULL);
        }
        if (s != ARCHIVE_EOF)
                return damaged(u);
        if (archive_write_close(u->out) != ARCHIVE_OK)
                return cannot_write(u, "the folders", -(archive_errno(u->out) ?: EIO));
        answer_progress(u->packed_size, u->packed_size, "bytes", NULL);
        return 0;
}

static int check_tree(struct unpacking *u)
{
        static const char *const needed[] = {"Makefile", "Kconfig", "scripts"};
        struct stat st;

        for (size_t i = 0; i < KT_ARRAY_SIZE(needed); i++)
                if (stat(needed[i], &st) < 0 || (strcmp(needed[i], "scripts") == 0) != S_ISDIR(st.st_mode))
                        return kt_error_set(u->reterr, -ENOENT, KT_E_BAD_KERNEL,
                                            "%s is no kernel source: it has no %s; name a tarball such as "
                                            "linux-6.14.2.tar.xz",
                                            u->name, needed[i]);
        return 0;
}

/* Into the folder that we stand in. */
static int unpack_here(struct unpacking *u, int fd)
{
        _cleanup_(archive_read_freep) struct archive *in = archive_read_new();
        _cleanup_(archive_write_freep) struct archive *out = archive_write_disk_new();
        struct stat st;
        int r;

        if (!in || !out || archive_write_disk_set_options(out, EXTRACT_FLAGS) != ARCHIVE_OK)
                return kt_error_set(u->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        u->in = in;
        u->out = out;
        u->packed_size = fstat(fd, &st) < 0 ? -1 : st.st_size;
        archive_support_source_filters(in);
        archive_read_support_format_tar(in);
        if (archive_read_open_fd(in, fd, CHUNK) != ARCHIVE_OK)
                return damaged(u);
        r = unpack_entries(u);
        return r < 0 ? r : check_tree(u);
}

/* libarchive's guards are for paths from where the process stands. */
static int unpack_in(struct unpacking *u, const char *dir, int fd)
{
        _cleanup_close_ int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (here < 0 || chdir(dir) < 0)
                return kt_error_set(u->reterr, -errno, KT_E_IO, "cannot unpack into %s: %s", dir,
                                    strerror(errno));
        r = unpack_here(u, fd);
        if (fchdir(here) < 0 && r >= 0)
                r = kt_error_set(u->reterr, -errno, KT_E_IO, "cannot go back from %s: %s", dir,
                                 strerror(errno));
        return r;
}

int tarball_unpack(const char *tarball, const char *name, const char *dir, struct kt_error *reterr)
{
        _cleanup_free_ char *part = kt_format("%s.part", dir);
        _cleanup_close_ int fd = open(tarball, O_RDONLY | O_CLOEXEC);
        struct unpacking u = {.name = name, .reterr = reterr};
        int r;

        if (!part)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read %s: %s", name, strerror(errno));
        answer_stage("unpack", "%s", name);
        r = kt_remove_tree(AT_FDCWD, part);
        if (r >= 0)
                r = kt_mkdir_p(AT_FDCWD, part, 0755);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", part, strerror(-r));
        r = unpack_in(&u, part, fd);
        free(u.top);
        if (r >= 0) {
                r = kt_remove_tree(AT_FDCWD, dir);
                if (r >= 0 && rename(part, dir) < 0)
                        r = -errno;
                if (r < 0)
                        kt_error_set(reterr, r, KT_E_IO, "cannot put %s in its place: %s", dir,
                                     strerror(-r));
        }
        if (r < 0)
                (void)kt_remove_tree(AT_FDCWD, part);
        return r;
}
