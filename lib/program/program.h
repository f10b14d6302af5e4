/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program declares: what the macros of ktstr.h left in its sections. */

#include <stddef.h>

#include "../include/ktstr.h"

struct program {
        const struct ktstr_scheduler *
                *schedulers;             /* owned array; files as they were linked, in each by line */
        const struct ktstr_test **tests; /* likewise */
        size_t n_schedulers, n_tests;
};

/* Of this program. Ends it when memory is out. */
struct program program_read(void);
void program_done(struct program *p);

/* NULL: there is none of that name. */
const struct ktstr_test *program_find_test(const struct program *p, const char *name);

/* Is it among the declared? */
bool program_has_scheduler(const struct program *p, const struct ktstr_scheduler *s);

/* Memory is out: says so and exits. For the program's own main() only. */
void program_oom(void) __attribute__((noreturn));
