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
        char names[MODULES_MAX][NAME_MAX_]; /* in loading order */
        unsigned n;
};

static bool selected(const struct selection *s, const char *name)
{
        for (unsigned i = 0; i < s->n; i++)
                if (strcmp(s->names[i], name) == 0)
                        return true;
        return false;
}

/* "depends=a,b" of the module's .modinfo, which is the only place where NUL, "depends=" stands in it. Malloced; "" for none. */
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

/* Depth first: what it depends on comes before it. A dependency that is no module here is built in. */
static int select_module(struct selection *s, const char *name, unsigned depth, bool needed, struct kt_error *reterr)
{
        _cleanup_free_ char *depends = NULL;
        char *save = NULL;

        if (selected(s, name))
                return 0;
        depends = read_depends(s, name);
        if (!depends && !needed)
                return 0;
        if (!depends)
                return kt_error_set(reterr, -ENOENT, KT_E_KERNEL_UNSUITABLE,
                                    "%s is built as a module and is not among the files; import the kernel's modules package with it", name);
        for (char *d = strtok_r(depends, ",", &save); d && depth < MODULES_MAX; d = strtok_r(NULL, ",", &save)) {
                int r = select_module(s, d, depth + 1, false, reterr);
                if (r < 0)
                        return r;
        }
        if (s->n == MODULES_MAX || strlen(name) >= NAME_MAX_)
                return kt_error_set(reterr, -E2BIG, KT_E_KERNEL_UNSUITABLE, "%s needs more than %u modules", name, MODULES_MAX);
        strcpy(s->names[s->n++], name);
        return 0;
}

int kernel_modules_select(int dir_fd, const char *from, const char *to, struct kt_error *reterr)
{
        struct selection s = {.dir_fd = dir_fd, .from = from};
        int r = select_module(&s, "virtio_pci", 0, true, reterr);

        if (r >= 0)
                r = select_module(&s, "virtio_console", 0, true, reterr);
        if (r >= 0 && mkdirat(dir_fd, to, 0755) < 0)
                r = kt_error_set(reterr, -errno, KT_E_IO, "cannot make %s: %s", to, strerror(errno));
        for (unsigned i = 0; r >= 0 && i < s.n; i++) {
                _cleanup_free_ char *old = kt_format("%s/%s.ko", from, s.names[i]);
                _cleanup_free_ char *new = kt_format("%s/%02u-%s.ko", to, i, s.names[i]);

                if (!old || !new || renameat(dir_fd, old, dir_fd, new) < 0)
                        r = kt_error_set(reterr, -errno, KT_E_IO, "cannot keep module %s: %s", s.names[i], strerror(errno));
        }
        return r;
}
