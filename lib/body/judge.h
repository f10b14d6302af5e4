/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is checked in a scenario, and what the checks say to the test's function. The daemon runs the same
 * ones over the same numbers; it knows besides what the host did meanwhile, and has the last word. */

#include "state.h"

/* A scenario begins: note what is checked in it (the body's checks, and its own over them, which are
 * copied). Its number, from 0, for the functions below; or -ENOMEM, or -E2BIG when a test has no more. */
int judge_begin(struct ktstr_body *b, const struct ktstr_scenario *scenario, struct kt_error *reterr);

/* Do its checks want to know where the workers' pages are? */
bool judge_wants_pages(const struct ktstr_body *b, unsigned scenario);

/* Whoever ended by itself in the workload's cgroups from that index on: said, as an error, in a message for
 * each cgroup. What was asked for did not run, whatever is checked besides. KTSTR_PASS when there is none.
 */
enum ktstr_outcome judge_ends(struct ktstr_body *b, size_t first_cgroup);

/* Check what its workers measured, once record_group() has it: the worst of the checks, which counts for the
 * test too. Of one that had nothing to look at nothing is said; KTSTR_ERROR, said, when there is no memory
 * for it. */
enum ktstr_outcome judge_end(struct ktstr_body *b, unsigned scenario);
