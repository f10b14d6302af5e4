/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "exit_status.h"
#include "units.h"

/* A path has a slash or begins with a dot or a tilde; all else is a version or a key. */
static bool is_path(const char *spec)
{
        return strchr(spec, '/') || spec[0] == '.' || spec[0] == '~';
}

int request_kernel(struct json_object *params, const char *spec)
{
        char resolved[PATH_MAX];

        /* One that does not exist goes as it is: the daemon's error names it. */
        if (is_path(spec) && realpath(spec, resolved))
                return kt_json_add_str(params, "kernel", resolved);
        if (is_path(spec) && spec[0] != '/') {
                while (strncmp(spec, "./", 2) == 0)
                        spec += 2;
                _cleanup_free_ char *cwd = realpath(".", NULL), *path = cwd ? kt_path_join(cwd, spec) : NULL;
                return kt_json_add_str(params, "kernel", path ? path : spec);
        }
        return kt_json_add_str(params, "kernel", spec);
}

void request_defaults(struct json_object *params)
{
        const char *kernel = getenv("KTSTR_KERNEL");

        if (!kt_json_get(params, "kernel") && kernel && *kernel)
                request_kernel(params, kernel);
}

int request_option(const struct verb *v, int opt, const char *value, struct json_object *params)
{
        int64_t n;

        switch (opt) {
        case OPT_REQUEST_KERNEL:
                request_kernel(params, value);
                return 1;
        case OPT_REQUEST_TOPOLOGY:
                kt_json_add_str(params, "topology", value);
                return 1;
        case OPT_REQUEST_ACCEL:
                kt_json_add_str(params, "accel", value);
                return 1;
        case OPT_REQUEST_PRIORITY:
                kt_json_add_str(params, "priority", value);
                return 1;
        case OPT_REQUEST_MEMORY:
                if (parse_size(value, &n) < 0)
                        return verb_usage_error(v, "--memory: '%s' is no size like 512M or 2G", value);
                kt_json_add_int(params, "memory_mib", n);
                return 1;
        case OPT_REQUEST_TIMEOUT:
                if (parse_duration(value, &n) < 0)
                        return verb_usage_error(v, "--timeout: '%s' is no time like 90s or 5m, up to a day",
                                                value);
                kt_json_add_int(params, "timeout_ms", n);
                return 1;
        default:
                return 0;
        }
}
