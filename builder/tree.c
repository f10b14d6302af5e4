/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "makefile_version.h"

#define FILE_MAX (4U << 20)

void tree_done(struct tree *t)
{
        free(t->version);
        *t = (struct tree){0};
}

static int no_kernel(const char *dir, const char *why, struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOENT, KT_E_BAD_KERNEL,
                            "%s is no kernel source: %s; name the folder that has the kernel's own Makefile",
                            dir, why);
}

static int open_folder(const char *dir, struct kt_error *reterr)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                return fd;
        if (errno == ENOENT || errno == ENOTDIR)
                return no_kernel(dir, strerror(errno), reterr);
        return kt_error_set(reterr, -errno, errno == EACCES ? KT_E_PERMISSION_DENIED : KT_E_IO,
                            "cannot read %s: %s", dir, strerror(errno));
}

static int look_at_config(int fd, const char *dir, struct tree *t, struct kt_error *reterr)
{
        _cleanup_free_ char *config = NULL;
        size_t size;
        int r = kt_read_file(fd, ".config", FILE_MAX, &config, &size);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s/.config: %s", dir, strerror(-r));
        kconfig_hash_text(config, size, t->own_config);
        return 0;
}

int tree_look(const char *dir, struct tree *ret, struct kt_error *reterr)
{
        _cleanup_(tree_done) struct tree t = {0};
        _cleanup_free_ char *makefile = NULL;
        _cleanup_close_ int fd = open_folder(dir, reterr);
        int r;

        if (fd < 0)
                return fd;
        r = kt_read_file(fd, "Makefile", FILE_MAX, &makefile, NULL);
        if (r == -ENOENT)
                return no_kernel(dir, "there is no Makefile", reterr);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s/Makefile: %s", dir, strerror(-r));
        r = makefile_version(makefile, &t.version);
        if (r == -ENOENT)
                return no_kernel(dir, "its Makefile says no VERSION and PATCHLEVEL", reterr);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        if (faccessat(fd, "Kconfig", R_OK, 0) < 0)
                return no_kernel(dir, "there is no Kconfig", reterr);
        /* Of make's own: it splits names at blanks and takes colons for its rules. */
        if (strpbrk(dir, " \t:%"))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL,
                                    "%s cannot be built in: the kernel's make does not do with blanks and "
                                    "colons in the path",
                                    dir);
        if (access(dir, W_OK) < 0)
                return kt_error_set(reterr, -errno, KT_E_PERMISSION_DENIED,
                                    "cannot build in %s: %s; a tree is built where it is", dir,
                                    strerror(errno));
        r = look_at_config(fd, dir, &t, reterr);
        if (r >= 0)
                r = git_state(dir, t.git_hash, &t.dirty, reterr);
        if (r < 0)
                return r;
        *ret = t;
        t = (struct tree){0};
        return 0;
}

char *tree_why_uncacheable(const char *dir, const struct tree *before, const struct tree *after)
{
        char *why;

        if (before->git_hash[0] == '\0')
                why = kt_format("%s is no git repository", dir);
        else if (before->dirty)
                why = kt_format("its tree %s has changes that are not committed", dir);
        else if (after->dirty || strcmp(before->git_hash, after->git_hash) != 0 ||
                 strcmp(before->own_config, after->own_config) != 0)
                why = kt_format("its tree %s changed while it was built", dir);
        else
                return NULL;
        return why ?: strdup("?");
}

int tree_lock(const char *dir, int *ret_fd, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open_folder(dir, reterr);
        int r;

        if (fd < 0)
                return fd;
        r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
        if (r == -EWOULDBLOCK) {
                answer_note("waiting for another build in %s", dir);
                do
                        r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
                while (r == -EINTR);
        }
        /* Some file systems of the network lock nothing that is only read: then whoever has trees there has
         * to take turns. */
        if (r < 0)
                answer_note("%s cannot be locked against another build: %s", dir, strerror(-r));
        *ret_fd = TAKE_FD(fd);
        return 0;
}
