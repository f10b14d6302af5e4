/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "setting.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"

/* "kernel.x" → "kernel/x". Where the first separator is a slash, they all are, and dots are part of names
 * ("net/ipv4/conf/eth0.1/forwarding"). Malloced. */
static char *path_of(const char *root, const char *key)
{
        char *path = kt_path_join(root, key);
        size_t first = strcspn(key, "./");

        for (char *p = path ? path + strlen(path) - strlen(key) : NULL; key[first] == '.' && p && *p; p++)
                if (*p == '.' || *p == '/')
                        *p = *p == '.' ? '/' : '.';
        return path;
}

static int apply(const char *root, const char *key, const char *value, struct kt_error *reterr)
{
        _cleanup_free_ char *path = path_of(root, key);
        _cleanup_close_ int fd = -1;
        int r;

        if (!path)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        if (strstr(key, ".."))
                return kt_error_set(reterr, -EINVAL, NULL, "'%s' is no name of a sysctl", key);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        r = fd < 0 ? -errno : kt_write_all(fd, value, strlen(value));
        if (r == -ENOENT)
                return kt_error_set(reterr, r, NULL,
                                    "cannot set the sysctl %s to '%s': this kernel has no such one", key,
                                    value);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot set the sysctl %s to '%s': %s", key, value,
                                    strerror(-r));
        return 0;
}

int setting_apply(struct json_object *list, const char *root, struct kt_error *reterr)
{
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(list, i);
                int r = apply(root, kt_json_str(o, "key") ?: "", kt_json_str(o, "value") ?: "", reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}
