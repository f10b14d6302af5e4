/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is checked in a scenario, and what the checks say to the test's function. The daemon runs the same
 * ones over the same numbers; it knows besides what the host did meanwhile. */

#include "state.h"

/* Note what is checked in the scenario that begins. */
void judge_begin(struct ktstr_body *b, const struct ktstr_scenario *scenario);

/* Check what its workers measured; misses become notes. */
enum ktstr_outcome judge_end(struct ktstr_body *b, unsigned scenario);
