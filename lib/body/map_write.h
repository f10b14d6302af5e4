/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes to global variables of the scheduler's program: those that the test declares, each at its time, and
 * those of operations and of the test's function.
 *
 * They are looked for at each write anew: a scheduler may be another by then, or have loaded its program
 * again. What cannot be written is the test's error; that the scheduler is gone is not.
 */

#include "state.h"

/* Now; at_ms is not looked at. *ret_before: what it was; NULL: nobody asks. RUN_OVER (run.h): the scheduler
 * is gone. */
int map_write(struct ktstr_body *b, const struct ktstr_map_write *w, int64_t *ret_before,
              struct kt_error *reterr);

/* Could it be now? 0, or what map_write() would return. */
int map_write_check(struct ktstr_body *b, const struct ktstr_map_write *w, struct kt_error *reterr);

/* All that the test declares: each is looked for first, then those without .at_ms are written. false: one
 * cannot be, and it was said why. */
bool map_writes_begin(struct ktstr_body *b);

/* The test's first workload has begun: from now on .at_ms counts. */
void map_writes_start(struct ktstr_body *b);

/* The test's function has returned: what was not written is said. */
void map_writes_end(struct ktstr_body *b);
