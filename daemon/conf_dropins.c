/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "conf_file.h"

struct dropins {
        char **paths;
        size_t n;
};

static void dropins_done(struct dropins *d)
{
        for (size_t i = 0; i < d->n; i++)
                free(d->paths[i]);
        free(d->paths);
}

static const char *name_of(const char *path)
{
        return strrchr(path, '/') + 1;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(name_of(*(char *const *)a), name_of(*(char *const *)b));
}

static bool is_hidden(const struct dropins *d, const char *name)
{
        for (size_t i = 0; i < d->n; i++)
                if (strcmp(name_of(d->paths[i]), name) == 0)
                        return true;
        return false;
}

static bool is_conf(const char *name)
{
        const char *end = strrchr(name, '.');

        return *name != '.' && end && strcmp(end, ".conf") == 0;
}

static int add(struct dropins *d, const char *folder, const char *name)
{
        char **grown, *path;

        if (!is_conf(name) || is_hidden(d, name))
                return 0;
        grown = reallocarray(d->paths, d->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        d->paths = grown;
        path = kt_path_join(folder, name);
        if (!path)
                return -ENOMEM;
        d->paths[d->n++] = path;
        return 0;
}

static int list_folder(struct dropins *d, const char *folder)
{
        _cleanup_closedir_ DIR *dir = opendir(folder);
        struct dirent *entry;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0) {
                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                r = add(d, folder, entry->d_name);
        }
        return r;
}

int conf_read_dropins(const char *const *folders, const struct conf_reader *reader, struct kt_error *reterr)
{
        _cleanup_(dropins_done) struct dropins d = {};
        int r;

        for (; *folders; folders++) {
                r = list_folder(&d, *folders);
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", *folders,
                                            strerror(-r));
        }
        if (d.n > 0)
                qsort(d.paths, d.n, sizeof(*d.paths), by_name);
        for (size_t i = 0; i < d.n; i++) {
                r = conf_read(d.paths[i], reader, reterr);
                /* Gone since it was listed, or a link that leads nowhere. */
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        return 0;
}
