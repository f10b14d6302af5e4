/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_net.h"

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
