/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --fetch: what is not in the cache is built into it before it is used, one kernel after the other. All that
 * is said of it goes to stderr: stdout is for what the kernels are got for. */

#include "../proto/kernel_spec.h"
#include "rpc.h"
#include "verb.h"

/* Build one: a version or git source, or NULL for the newest stable release. Returns the exit status. */
int kernel_fetch(const struct verb *v, const struct globals *g, const struct kernel_spec *what);

/* Build what this names and is not cached: a version, a git source, or of a range each version that is
 * released. Of a git ref the repository is asked each time, for it may have moved. A key and a path name
 * what cannot be got. False: told on stderr, *ret_status is to be returned. */
bool kernel_fetch_missing(const struct verb *v, const struct globals *g, struct rpc *rpc, const char *spec,
                          int *ret_status);
