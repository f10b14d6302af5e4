/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stddef.h>

/* The bytes of a log event, from `text` or `base64`. Malloced. -EBADMSG. */
int decode_log(struct json_object *event, char **ret, size_t *ret_size);
