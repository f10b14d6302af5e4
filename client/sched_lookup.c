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

static char *variable_of(const char *name)
{
        char *variable = kt_format("KTSTR_SCHEDULER_BIN_%s", name);

        for (char *p = variable ? variable + strlen("KTSTR_SCHEDULER_BIN_") : NULL; p && *p; p++)
                *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
        return variable;
}

/* 1: a variable names it, 0: none does. */
static int from_variables(const char *variable, char **ret, struct kt_error *reterr)
{
        int r = variable ? from_environment(variable, ret, reterr) : oom(reterr);

        return r == 0 ? from_environment("KTSTR_SCHEDULER", ret, reterr) : r;
}

int sched_lookup(const char *name, char **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *variable = variable_of(name);
        int r;

        *ret = NULL;
        if (strchr(name, '/')) {
                *ret = strdup(name);
                return *ret ? 0 : oom(reterr);
        }
        r = from_variables(variable, ret, reterr);
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

int sched_lookup_beside(const char *name, const char *folder, char **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *variable = variable_of(name), *above = kt_format("%s/..", folder);
        int r;

        *ret = NULL;
        r = above ? from_variables(variable, ret, reterr) : oom(reterr);
        if (r != 0)
                return r < 0 ? r : 0;
        *ret = in_folder(folder, strlen(folder), name) ?: in_folder(above, strlen(above), name);
        if (!*ret)
                *ret = kt_search_path(name, X_OK);
        if (!*ret)
                return kt_error_set(
                        reterr, -ENOENT, KT_E_BAD_SCHEDULER,
                        "scheduler '%s' not found. Set KTSTR_SCHEDULER or place it next to the test "
                        "binary or in the folder above it (%s), or on the PATH (%s was not set either)",
                        name, folder, variable);
        return 0;
}

int program_lookup_beside(const char *name, const char *folder, const char *what, char **ret,
                          struct kt_error *reterr)
{
        *ret = name[0] == '/' ? strdup(name) : kt_path_join(folder, name);
        if (!*ret)
                return oom(reterr);
        if (is_program(*ret))
                return 0;
        free(TAKE_PTR(*ret));
        *ret = strchr(name, '/') ? NULL : kt_search_path(name, X_OK);
        return *ret ? 0
                    : kt_error_set(reterr, -ENOENT, KT_E_BAD_FILE,
                                   "%s: program '%s' not found. Place it next to the test binary (%s)%s",
                                   what, name, folder, strchr(name, '/') ? "" : " or on the PATH");
}
