/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one function of a fuzz target, by libFuzzer's name. The assertions are what it tests, so they stay. */

#ifdef NDEBUG
#error "fuzz targets are their assertions: build them without NDEBUG"
#endif

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
