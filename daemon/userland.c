/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "userland.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/elfdeps.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

int userland_add(struct userland *u, const char *path, const char *name, mode_t mode,
                 struct kt_error *reterr)
{
        struct userland_file *grown = path && name ? reallocarray(u->files, u->n + 1, sizeof(*grown)) : NULL;

        if (grown) {
                u->files = grown;
                grown[u->n] = (struct userland_file){strdup(path), strdup(name), mode};
                u->n++;
        }
        if (grown && grown[u->n - 1].path && grown[u->n - 1].name)
                return 0;
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int add_library(struct userland *u, const struct kt_elf_file *f, struct kt_error *reterr)
{
        _cleanup_free_ char *place =
                f->name[0] == '/' ? strdup(f->name) : kt_path_join(KT_GUEST_LIB_DIR, f->name);

        /* Names in the image begin below its root. */
        return userland_add(u, f->path, place ? place + 1 : NULL, 0755, reterr);
}

static int add_rehearsal(struct userland *u, const char *path, struct kt_error *reterr)
{
        struct kt_elf_deps deps = {};
        int r = kt_elf_deps_collect(path, NULL, KT_E_IO, KT_E_LIBRARY_NOT_FOUND, &deps, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < deps.n_files; i++)
                r = add_library(u, &deps.files[i], reterr);
        if (r >= 0)
                r = userland_add(u, path, KT_GUEST_REHEARSAL + 1, 0755, reterr);
        kt_elf_deps_done(&deps);
        return r;
}

int userland_find(const struct config *config, struct userland *ret, struct kt_error *reterr)
{
        int r;

        *ret = (struct userland){};
        r = userland_add(ret, config->agent_path, "init", 0755, reterr);
        if (r >= 0 && config->busybox_path)
                r = userland_add(ret, config->busybox_path, "bin/busybox", 0755, reterr);
        if (r >= 0 && config->rehearsal_path)
                r = add_rehearsal(ret, config->rehearsal_path, reterr);
        return r;
}

void userland_done(struct userland *u)
{
        for (size_t i = 0; i < u->n; i++) {
                free(u->files[i].path);
                free(u->files[i].name);
        }
        free(u->files);
        *u = (struct userland){};
}
