/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "search_path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fsutil.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

char *kt_search_path(const char *name, int mode)
{
        const char *path = getenv("PATH") ?: USUAL_PATH;

        while (*path) {
                size_t len = strcspn(path, ":");
                _cleanup_free_ char *file = len > 0 ? kt_format("%.*s/%s", (int)len, path, name) : NULL;
                struct stat st;

                if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, mode) == 0)
                        return TAKE_PTR(file);
                path += len + (path[len] == ':');
        }
        return NULL;
}
