/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* RFC 4648 with padding, no line breaks; malloced, NULL when memory is out. By libcrypto. */
char *base64_encode(const void *data, size_t size);

/* The reverse: *ret is malloced. -EINVAL for anything but whole groups of four. */
int base64_decode(const char *text, void **ret, size_t *ret_size);
