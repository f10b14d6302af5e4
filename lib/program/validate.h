/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can be wrong with declarations, and no compiler finds. */

#include "finding.h"
#include "program.h"

/* All that is wrong with a program, in the order of its declarations: schedulers, then tests. */
void validate_program(const struct program *p, struct findings *ret);

/* One alone. */
void validate_scheduler(const struct ktstr_scheduler *d, struct subject *s);
void validate_test(const struct program *p, const struct ktstr_test *t, struct subject *s);

/* `field` is where the test has it: "payload", "workloads[1]". */
void validate_payload(const struct ktstr_payload *p, const char *field, struct subject *s);

/* Is a name fit for results, file names and globs? kind: "a test", "a scheduler". */
void validate_name(const char *name, const char *kind, struct subject *s);

/* Of a scheduler's and, on top of it (NULL: the scheduler alone), a test's; unset dimensions and bounds have
 * their defaults. */
void validate_topology(const struct ktstr_topology *scheduler, const struct ktstr_topology *test,
                       const char *prefix, struct subject *s);
void validate_constraints(const struct ktstr_constraints *scheduler, const struct ktstr_constraints *test,
                          struct subject *s);
