/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kernel parameters, as sysctl(8) names them. */

#include <json-c/json.h>

#include "../common/error.h"

/* Set them in their order; NULL: none. list: the JOB's [{"key": "kernel.x", "value": "0"}]. -errno of the
 * first that the kernel does not take, with key and value named; those before it are set. root: "/proc/sys",
 * or what is in its place in a test. */
int setting_apply(struct json_object *list, const char *root, struct kt_error *reterr);
