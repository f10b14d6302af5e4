/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/*
 * From what a distribution boots to what we boot: a bzImage's payload is decompressed (gzip, bzip2, lzma,
 * xz, lz4, zstd; by libarchive), an ELF is taken as it is. The ELF goes to `out` (empty, seekable).
 * KT_E_BAD_KERNEL names `name` when it is neither, or is cut. Documentation/arch/x86/boot.rst has the
 * header's layout.
 */
int kernel_image_to_elf(int in, int out, const char *name, struct kt_error *reterr);
