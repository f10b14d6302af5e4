/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the library itself says beside what ktstr.h has: ktstr_fail() and its like, ktstr_note(),
 * ktstr_metric(). */

#include "state.h"

/* A number for the verdict, which is finite, in place of one of the same name. unit NULL: none; better
 * "lower", "higher", or NULL where neither is. All are copied. It cannot fail: the first that has no place
 * more among KT_BODY_METRICS_MAX is said, as an error of the test. */
void metric_set(struct ktstr_body *b, const char *name, double value, const char *unit, const char *better);
