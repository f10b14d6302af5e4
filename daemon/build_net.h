/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where ktstrd-build reaches the outside: the `net` of its requests (proto/buildmsg.h); and a request that
 * needs no file. */

#include <json-c/json.h>

#include "config.h"
#include "process.h"

struct json_object *build_net(const struct config *c);

/* The request in a file without a name, for the helper to inherit as its first descriptor, where it has the
 * path BUILD_REQUEST_INHERITED: whoever the helper is by then may read it, and nobody else. A descriptor, or
 * -errno. */
int build_request_file(struct json_object *request);

#define BUILD_REQUEST_INHERITED "/proc/self/fd/3"
_Static_assert(PROCESS_FIRST_FD == 3, "that is where it is");
