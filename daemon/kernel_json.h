/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel of the cache as io.ktstrd.Kernel.Entry. */

#include <json-c/json.h>

#include "kernel.h"

struct json_object *kernel_json(const struct kernel *k);
