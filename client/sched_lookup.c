/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sched_lookup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/search_path.h"
#include "../proto/errors.h"

static bool is_program(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* dir/name when it is a program; malloced. dir need not be terminated. */
static char *in_folder(const char *dir, size_t len, const char *name)
{
        char *path = kt_format("%.*s/%s", (int)len, dir, name);

        if (path && is_program(path))
                return path;
        free(path);
        return NULL;
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int from_environment(const char *variable, char **ret, struct kt_error *reterr)
{
        const char *value = getenv(variable);

        if (!value || !*value)
                return 0;
        if (!is_program(value))
                return kt_error_set(reterr, -ENOENT, KT_E_BAD_SCHEDULER,
                                    "%s names %s, which is no executable file", variable, value);
        *ret = strdup(value);
        return *ret ? 1 : oom(reterr);
}

/* ./build itself and each folder in it, where meson puts programs; of several the first by name, always the
 * same. */
static char *in_build_folder(const char *name)
{
        char *found = in_folder("./build", 7, name);
        struct dirent **entries = NULL;
        int n = found ? 0 : scandir("./build", &entries, NULL, alphasort);

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *sub = found || entries[i]->d_name[0] == '.'
                                                   ? NULL
                                                   : kt_format("./build/%s", entries[i]->d_name);

                if (sub)
                        found = in_folder(sub, strlen(sub), name);
                free(entries[i]);
        }
        free(entries);
        return found;
}

int sched_lookup(const char *name, char **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *variable = kt_format("KTSTR_SCHEDULER_BIN_%s", name);
        int r;

        *ret = NULL;
        if (strchr(name, '/')) {
                *ret = strdup(name);
                return *ret ? 0 : oom(reterr);
        }
        for (char *p = variable ? variable + strlen("KTSTR_SCHEDULER_BIN_") : NULL; p && *p; p++)
                *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
        r = variable ? from_environment(variable, ret, reterr) : oom(reterr);
        if (r == 0)
                r = from_environment("KTSTR_SCHEDULER", ret, reterr);
        if (r != 0)
                return r < 0 ? r : 0;
        *ret = kt_search_path(name, X_OK);
        if (!*ret)
                *ret = in_build_folder(name);
        if (!*ret)
                *ret = in_folder("./target/release", 16, name);
        if (!*ret)
                *ret = in_folder("./target/debug", 14, name);
        if (!*ret)
                return kt_error_set(reterr, -ENOENT, KT_E_BAD_SCHEDULER,
                                    "scheduler '%s' not found: set KTSTR_SCHEDULER, or place it on the PATH "
                                    "or in ./build, "
                                    "./target/release or ./target/debug, or give its path (%s was not set)",
                                    name, variable);
        return 0;
}
