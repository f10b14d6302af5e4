/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_modules.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define MODULES_MAX 32U
#define NAME_MAX_ 64U
#define MODULE_SIZE_MAX (64U * 1024U * 1024U)

struct selection {
        int dir_fd;
        const char *from;
        char names[MODULES_MAX][NAME_MAX_];
        unsigned n;
        unsigned order[MODULES_MAX]; /* of loading, as indices into names */
        unsigned n_ordered;
};

static bool is_known(const struct selection *s, const char *name)
{
        for (unsigned i = 0; i < s->n; i++)
                if (strcmp(s->names[i], name) == 0)
                        return true;
        return false;
}

/* It becomes part of a path. */
static bool is_module_name(const char *name)
{
        size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        return len > 0 && len < NAME_MAX_ && name[len] == '\0';
}

/* "depends=a,b" of the module's .modinfo, which is the only place where NUL, "depends=" stands in it.
 * Malloced; "" for none. */
static char *read_depends(const struct selection *s, const char *name)
{
        _cleanup_free_ char *path = kt_format("%s/%s.ko", s->from, name), *data = NULL;
        const char *found;
        size_t size;

        if (!path || kt_read_file(s->dir_fd, path, MODULE_SIZE_MAX, &data, &size) < 0)
                return NULL;
        found = memmem(data, size, "\0depends=", 9);
        return strdup(found ? found + 9 : "");
}

/* Depth first: what it depends on comes before it. A dependency that is no module here is built in; each is
 * looked at once, so that those that depend on each other come to an end. */
static int select_module(struct selection *s, const char *name, bool needed, struct kt_error *reterr)
{
        _cleanup_free_ char *depends = NULL;
        char *save = NULL;
        unsigned index;

        if (is_known(s, name))
                return 0;
        depends = is_module_name(name) ? read_depends(s, name) : NULL;
        if (!depends && !needed)
                return 0;
        if (!depends)
                return kt_error_set(reterr, -ENOENT, KT_E_KERNEL_UNSUITABLE,
                                    "%s is built as a module and is not among the files; import the "
                                    "package with the kernel's modules (linux-modules, kernel-modules-core) "
                                    "with it",
                                    name);
        if (s->n == MODULES_MAX)
                return kt_error_set(reterr, -E2BIG, KT_E_KERNEL_UNSUITABLE,
                                    "%s is one of more than %u modules that virtio needs", name,
                                    MODULES_MAX);
        index = s->n++;
        strcpy(s->names[index], name);
        for (char *d = strtok_r(depends, ",", &save); d; d = strtok_r(NULL, ",", &save)) {
                int r = select_module(s, d, false, reterr);
                if (r < 0)
                        return r;
        }
        s->order[s->n_ordered++] = index;
        return 0;
}

int kernel_modules_select(int dir_fd, const char *from, const char *to, const char *const *wanted,
                          size_t n_wanted, struct kt_error *reterr)
{
        struct selection s = {.dir_fd = dir_fd, .from = from};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_wanted; i++)
                r = select_module(&s, wanted[i], true, reterr);
        if (r >= 0 && mkdirat(dir_fd, to, 0755) < 0)
                r = kt_error_set(reterr, -errno, KT_E_IO, "cannot make %s: %s", to, strerror(errno));
        for (unsigned i = 0; r >= 0 && i < s.n_ordered; i++) {
                const char *name = s.names[s.order[i]];
                _cleanup_free_ char *old = kt_format("%s/%s.ko", from, name);
                _cleanup_free_ char *new = kt_format("%s/%02u-%s.ko", to, i, name);

                if (!old || !new || renameat(dir_fd, old, dir_fd, new) < 0)
                        r = kt_error_set(reterr, -errno, KT_E_IO, "cannot keep module %s: %s", name,
                                         strerror(errno));
        }
        return r;
}
