/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

void kernel_inside_done(struct kernel_inside *i)
{
        kernel_free(i->kernel);
        free(i->config);
        kernel_features_free(i->features);
        free(i->features_error);
        free(i->boots);
        *i = (struct kernel_inside){};
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static void hash_config(struct kernel_inside *i)
{
        if (i->config)
                kconfig_hash_text(i->config, strlen(i->config), i->config_hash);
}

/* What cannot be read of the BTF is told beside all else. */
static int note_features(struct kernel_inside *i, int r, struct kt_error *err, struct kt_error *reterr)
{
        if (r == -ENOMEM)
                return oom(reterr);
        if (r < 0) {
                i->features_error = strdup(kt_error_text(err));
                if (!i->features_error)
                        return oom(reterr);
        }
        return 0;
}

static int read_entry(struct kcache *c, struct kernel_inside *i, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct kernel *k = i->kernel;
        int r = 0;

        if (k->error)
                return 0;
        if (k->config_path)
                r = kt_read_file(AT_FDCWD, k->config_path, CONFIG_SIZE_MAX, &i->config, NULL);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", k->config_path, strerror(-r));
        hash_config(i);
        r = k->btf_path ? kernel_features_read(k->btf_path, &i->features, &err) : 0;
        r = note_features(i, r, &err, reterr);
        if (r >= 0 && kernel_boot_read(kcache_root(c), k, &i->boots, &i->n_boots) < 0)
                r = oom(reterr);
        return r;
}

int kernel_inside_get(struct kcache *c, const char *key, struct kernel_inside *ret, struct kt_error *reterr)
{
        int r = kcache_get(c, key, &ret->kernel, reterr);

        return r < 0 ? r : read_entry(c, ret, reterr);
}

/* One that is not in the cache. */
static int read_path(struct kcache *c, const struct kernel_caller *caller, const char *path,
                     struct kernel_inside *i, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int fd = kernel_open(caller, AT_FDCWD, path, reterr);
        struct kernel_file file = {.name = path, .path = path, .fd = fd};
        struct kernel_source from = {.files = &file, .n_files = 1, .caller = caller};
        _cleanup_free_ void *btf = NULL;
        size_t btf_size;
        int r = fd;

        if (fd >= 0)
                r = kernel_look_inside(c, &from, &i->kernel, &i->config, &btf, &btf_size, reterr);
        if (r < 0)
                return r;
        hash_config(i);
        r = btf ? kernel_features_parse(btf, btf_size, path, &i->features, &err) : 0;
        return note_features(i, r, &err, reterr);
}

int kernel_inside_resolve(struct kcache *c, const struct kernel_caller *caller, const char *spec,
                          struct kernel_inside *ret, struct kt_error *reterr)
{
        int r;

        if (spec[0] == '/')
                return read_path(c, caller, spec, ret, reterr);
        r = kernel_resolve_as(c, caller, spec, false, &ret->kernel, reterr);
        return r < 0 ? r : read_entry(c, ret, reterr);
}
