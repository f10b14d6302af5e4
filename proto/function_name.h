/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Is this a name of a function of the kernel, of at most KT_TRACE_FUNCTION_BYTES_MAX bytes? It becomes a
 * part of a command to the kernel: letters, digits, '_' and '.', and no digit and no '.' first. */
bool kt_function_name_is_sound(const char *name, size_t len);
