/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "state.h"

/* A number for the verdict, which is finite, in place of one of the same name; the first that has no place
 * more is said, as an error. unit NULL: none, better "lower", "higher" or NULL. */
void metric_set(struct ktstr_body *b, const char *name, double value, const char *unit, const char *better);
