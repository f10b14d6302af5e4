/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#include <build_config.h>

#define NAME "ktstrd/ktstrd.conf"

static int assign(size_t key, const char *value, const char *where, void *data, struct kt_error *reterr)
{
        struct config_draft *draft = data;

        if (!*value)
                return config_reset(draft, (enum config_key)key, reterr);
        return config_set(draft, (enum config_key)key, value, where, reterr);
}

static int read_all(struct config_draft *draft, const char *path, bool needed, const char *const *dropins,
                    struct kt_error *reterr)
{
        struct conf_key names[_CONFIG_KEY_MAX];
        const struct conf_reader reader = {
                .keys = names,
                .n_keys = KT_ARRAY_SIZE(names),
                .manual = "ktstrd.conf(5)",
                .assign = assign,
                .data = draft,
        };
        int r;

        config_key_names(names);
        r = conf_read(path, &reader, reterr);
        if (r == -ENOENT && needed)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", path, strerror(-r));
        if (r < 0 && r != -ENOENT)
                return r;
        return conf_read_dropins(dropins, &reader, reterr);
}

/* A file and the folder of its drop-ins beside it. */
static int read_one(struct config_draft *draft, const char *path, bool needed, struct kt_error *reterr)
{
        _cleanup_free_ char *folder = kt_format("%s.d", path);
        const char *const folders[] = {folder, NULL};

        if (!folder)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return read_all(draft, path, needed, folders, reterr);
}

static int read_users(struct config_draft *draft, struct kt_error *reterr)
{
        const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        _cleanup_free_ char *path = NULL;

        /* A relative one counts as unset; without any there is no file. */
        if (xdg && *xdg == '/')
                path = kt_path_join(xdg, NAME);
        else if (home && *home == '/')
                path = kt_path_join(home, ".config/" NAME);
        else
                return 0;
        if (!path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return read_one(draft, path, false, reterr);
}

int config_read_files(struct config_draft *draft, const char *named, bool as_user, struct kt_error *reterr)
{
        static const char *const machine[] = {KT_SYSCONF_DIR "/" NAME ".d", "/run/" NAME ".d",
                                              "/usr/lib/" NAME ".d", NULL};

        if (named)
                return *named ? read_one(draft, named, true, reterr) : 0;
        if (as_user)
                return read_users(draft, reterr);
        return read_all(draft, KT_SYSCONF_DIR "/" NAME, false, machine, reterr);
}
