/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SHA-256, the name of content throughout: artifacts, kernels, the agent. Computed by libcrypto. */

#include <stddef.h>

#define KT_SHA256_HEX_SIZE 65

/* Of the whole file behind fd (pread from 0; the offset is not moved), as 64 hex digits and NUL. */
int kt_sha256_fd(int fd, char ret_hex[KT_SHA256_HEX_SIZE]);
int kt_sha256_mem(const void *data, size_t size, char ret_hex[KT_SHA256_HEX_SIZE]);
