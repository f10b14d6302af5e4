/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files there are to read, and reading them. */

#include "config_keys.h"

/* named: FILE and FILE.d/ alone, which must be there ("": none). NULL: those of the machine, or, as_user,
 * the caller's own. Errors begin with the file's path. */
int config_read_files(struct config_draft *draft, const char *named, bool as_user, struct kt_error *reterr);
