/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

struct output_file {
        int folder_fd;
        const char *name; /* within path */
        char path[];
};

/* What has the name is replaced: it had better be a file, and no device. */
static int open_folder(struct output_file *f, struct kt_error *reterr)
{
        const char *slash = strrchr(f->path, '/');
        _cleanup_free_ char *folder = slash ? strndup(f->path, (size_t)(slash - f->path + 1)) : strdup(".");
        struct stat st;

        if (!folder)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        f->name = slash ? slash + 1 : f->path;
        f->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->folder_fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot open the folder of %s: %s",
                                    f->path, strerror(errno));
        if (!*f->name ||
            (fstatat(f->folder_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode)))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE,
                                    "'%s' is no file that could be replaced; name another", f->path);
        return 0;
}

int output_file_open(const char *path, struct output_file **ret, struct kt_error *reterr)
{
        struct output_file *f = malloc(sizeof(*f) + strlen(path) + 1);
        int r;

        if (!f)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        f->folder_fd = -1;
        strcpy(f->path, path);
        r = open_folder(f, reterr);
        if (r < 0)
                output_file_free(f);
        else
                *ret = f;
        return r;
}

int output_file_publish(struct output_file *f, const char *text, size_t size, struct kt_error *reterr)
{
        int r = kt_publish_file(f->folder_fd, f->name, text, size, 0644);

        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot write %s: %s", f->path, strerror(-r)) : 0;
}

void output_file_free(struct output_file *f)
{
        if (f)
                kt_closep(&f->folder_fd);
        free(f);
}
