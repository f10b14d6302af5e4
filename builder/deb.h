/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/* Take the tarball of a kernel's source (usr/src/…/linux-source-*.tar.*) out of a Debian package, to `path`,
 * where it appears whole. KT_E_BAD_KERNEL when there is none or the package is damaged. */
int deb_take_source(const char *deb, const char *path, struct kt_error *reterr);
