/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that tests need and that are not there. */

#include "test_params.h"
#include "test_plan.h"

/*
 * Look for what each test needs of the plan's cells that run in guests: its scheduler, its configuration,
 * what it includes, its payloads, all their libraries. Cells whose test lacks something are not run then:
 * they get a problem, one for all that lack the same. What is odd about files is told on stderr. -ENOMEM.
 */
int test_missing_find(struct test_plan *plan, const struct test_overrides *overrides,
                      struct kt_error *reterr);
