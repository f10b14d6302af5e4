/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where ktstrd-build reaches the outside: the `net` of its requests (proto/buildmsg.h). */

#include <json-c/json.h>

#include "config.h"

struct json_object *build_net(const struct config *c);
