/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_net.h"

#include "../proto/codec.h"

struct json_object *build_net(const struct config *c)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "mirror", "https://cdn.kernel.org/pub/linux/kernel");
        kt_json_add_str(o, "releases", "https://www.kernel.org/releases.json");
        kt_json_add_str(o, "candidates", "https://git.kernel.org/torvalds/t");
        return o;
}
