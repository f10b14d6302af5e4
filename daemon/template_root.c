/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which templates stay. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "template_internal.h"

struct found {
        char name[256];
        struct timespec used;
};

static int by_use(const void *a, const void *b)
{
        const struct found *x = a, *y = b;

        if (x->used.tv_sec != y->used.tv_sec)
                return x->used.tv_sec < y->used.tv_sec ? 1 : -1;
        return (x->used.tv_nsec < y->used.tv_nsec) - (x->used.tv_nsec > y->used.tv_nsec);
}

/* The folder is what the configuration names, and may hold anything else: only what bears a name of ours is
 * ours to remove. */
static bool is_key(const char *name)
{
        return strlen(name) == SHAPE_KEY_SIZE - 1 && strspn(name, "0123456789abcdef") == SHAPE_KEY_SIZE - 1;
}

static bool is_draft(const char *name)
{
        if (strncmp(name, GONE_PREFIX, strlen(GONE_PREFIX)) == 0)
                return is_key(name + strlen(GONE_PREFIX));
        if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0)
                return false;
        name += strlen(TEMP_PREFIX);
        return strlen(name) == TEMP_RANDOM &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == TEMP_RANDOM;
}

/* Whoever makes one has its lock; one that is on its way out has none. */
static void sweep_draft(int root_fd, const char *name)
{
        _cleanup_close_ int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
                (void)kt_remove_tree(root_fd, name);
}

/* Those that were not used for a while are nobody's any more, and a disk is not endless. */
static void sweep(const char *root, int root_fd)
{
        _cleanup_free_ struct found *list = NULL;
        _cleanup_closedir_ DIR *dir = opendir(root);
        struct dirent *e;
        struct found *grown;
        struct stat st;
        unsigned n = 0;

        while (dir && (e = readdir(dir))) {
                if (is_draft(e->d_name))
                        sweep_draft(root_fd, e->d_name);
                if (!is_key(e->d_name) || fstatat(root_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                grown = reallocarray(list, n + 1, sizeof(*list));
                if (!grown)
                        return;
                list = grown;
                snprintf(list[n].name, sizeof(list[n].name), "%s", e->d_name);
                list[n++].used = st.st_mtim;
        }
        if (n > 0)
                qsort(list, n, sizeof(*list), by_use);
        for (unsigned i = 0; i < n; i++)
                if (i >= TEMPLATES_MAX || time(NULL) - list[i].used.tv_sec > TEMPLATE_KEEP_DAYS * 24 * 3600)
                        template_remove(root, list[i].name);
}

int template_root_open(const char *root, struct kt_error *reterr)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r = kt_mkdir_p(AT_FDCWD, root, 0700);

        if (r >= 0) {
                fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
        }
        if (r < 0)
                return kt_error_set(
                        reterr, r, KT_E_IO,
                        "cannot make the folder of templates %s: %s; choose another with --template-dir, "
                        "or do without: --no-templates",
                        root, strerror(-r));
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return kt_error_set(
                        reterr, -EPERM, KT_E_IO,
                        "the folder of templates %s is another user's or can be written by others: "
                        "chown and chmod it, or choose another with --template-dir",
                        root);
        sweep(root, fd);
        return 0;
}

/* Does it say that it is of this shape? */
static bool is_of(int root_fd, const char *name, const char *text)
{
        _cleanup_close_ int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_json_ struct json_object *meta = NULL;
        const char *shape;

        if (fd < 0 || template_read_metadata(fd, &meta, NULL) < 0)
                return false;
        shape = kt_json_str(meta, "shape");
        return shape && strcmp(shape, text) == 0;
}

void template_root_tidy(const char *root, const struct shape *s)
{
        _cleanup_closedir_ DIR *dir = opendir(root);
        struct dirent *e;
        struct stat st;

        while (dir && (e = readdir(dir)))
                if (is_key(e->d_name) && strcmp(e->d_name, s->key) != 0 &&
                    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    time(NULL) - st.st_mtim.tv_sec > TEMPLATE_SUPERSEDED_S &&
                    is_of(dirfd(dir), e->d_name, s->text))
                        template_remove(root, e->d_name);
        if (dir)
                sweep(root, dirfd(dir));
}
