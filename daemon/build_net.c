/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_net.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/codec.h"

struct json_object *build_net(const struct config *c)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "mirror", c->kernel_mirror);
        kt_json_add_str(o, "releases", c->kernel_releases);
        kt_json_add_str(o, "candidates", c->kernel_candidates);
        kt_json_add_str(o, "keyring", c->kernel_keyring);
        kt_json_add_int(o, "stall_ms", (int64_t)c->download_stall_ms);
        return o;
}

int build_request_file(struct json_object *request)
{
        _cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
        const char *text;
        int r;

        if (fd < 0)
                return -errno;
        text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_NOSLASHESCAPE);
        r = text ? kt_pwrite_all(fd, text, strlen(text), 0) : -ENOMEM;
        return r < 0 ? r : TAKE_FD(fd);
}
