/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"

void file_writer_init(struct file_writer *w)
{
        *w = (struct file_writer){.fd = -1};
}

void file_writer_done(struct file_writer *w)
{
        kt_closep(&w->fd);
        free(w->path);
        file_writer_init(w);
}

bool file_path_is_normal(const char *path)
{
        if (path[0] != '/' || !path[1])
                return false;
        for (const char *p = path; *p;) {
                size_t len = strcspn(++p, "/");

                if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += len;
        }
        return true;
}

static int make_parents(const char *path)
{
        _cleanup_free_ char *dir = strdup(path);
        char *slash = dir ? strrchr(dir, '/') : NULL;

        if (!slash)
                return -ENOMEM;
        if (slash == dir)
                return 0;
        *slash = '\0';
        return kt_mkdir_p(AT_FDCWD, dir, 0755);
}

int file_end(struct file_writer *w, struct kt_error *reterr)
{
        if (w->fd >= 0 && w->left > 0)
                return kt_error_set(reterr, -ENODATA, NULL, "%s came short of %llu bytes", w->path,
                                    (unsigned long long)w->left);
        file_writer_done(w);
        return 0;
}

static int open_file(struct file_writer *w, const char *path, struct json_object *o, struct kt_error *reterr)
{
        const char *link = kt_json_str(o, "link");
        int r = make_parents(path);

        if (r >= 0 && unlink(path) < 0 && errno != ENOENT)
                r = -errno;
        if (r >= 0 && link)
                r = symlink(link, path) < 0 ? -errno : 0;
        else if (r >= 0) {
                w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                r = w->fd < 0 || fchmod(w->fd, (mode_t)kt_json_int(o, "mode", 0644) & 07777) < 0 ? -errno
                                                                                                 : 0;
                w->left = (uint64_t)kt_json_int(o, "size", 0);
        }
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot make %s in the guest: %s", path, strerror(-r));
        w->path = strdup(path);
        return w->fd >= 0 && w->left == 0 ? file_end(w, reterr) : 0;
}

int file_begin(struct file_writer *w, const void *payload, size_t size, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        const char *path;
        int r;

        r = file_end(w, reterr);
        if (r < 0)
                return r;
        r = kt_json_parse(payload, size, &o, reterr);
        if (r < 0)
                return r;
        path = json_object_is_type(o, json_type_object) ? kt_json_str(o, "path") : NULL;
        if (!path || !file_path_is_normal(path))
                return kt_error_set(reterr, -EINVAL, NULL, "a file's path is not absolute and normalised");
        return open_file(w, path, o, reterr);
}

int file_data(struct file_writer *w, const void *data, size_t size, struct kt_error *reterr)
{
        int r;

        if (w->fd < 0 || size > w->left)
                return kt_error_set(reterr, -EBADMSG, NULL, "more bytes came than %s has",
                                    w->path ? w->path : "any file");
        r = kt_write_all(w->fd, data, size);
        if (r < 0)
                return kt_error_set(
                        reterr, r, NULL, "cannot write %s in the guest: %s%s", w->path, strerror(-r),
                        r == -ENOSPC || r == -ENOMEM ? "; give the guest more with --memory" : "");
        w->left -= size;
        return w->left == 0 ? file_end(w, reterr) : 0;
}
