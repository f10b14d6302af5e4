/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a machine needs to build kernels, looked for before anything is begun with. */

#include "../common/error.h"

/* What every kernel needs; all that is missing at once, with the packages that have it. KT_E_IO. */
int build_tools_check(struct kt_error *reterr);

/* What this configuration needs besides. */
int build_tools_check_config(const char *config, struct kt_error *reterr);
