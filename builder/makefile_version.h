/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The version of a kernel's source, as its Makefile has it. */

#include "../common/error.h"

/* Of the Makefile's text: "6.14.2", "6.15-rc3", "6.14" of 6.14.0; what a vendor put into EXTRAVERSION is no
 * part of it. -ENOENT when it is no kernel's Makefile. *ret is malloced. */
int makefile_version(const char *text, char **ret);

/* Of a tarball: read up to its Makefile. KT_E_BAD_KERNEL when it has none of a kernel, or is none. */
int tarball_version(const char *path, const char *name, char **ret, struct kt_error *reterr);
