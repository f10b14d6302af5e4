/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The programs that a command is for: those that it names, else those that are found. */

#include "test_program.h"

struct test_programs {
        struct test_program *all;
        size_t n;
};

/*
 * names: n paths; none: all that are below dir, or, where that is NULL, where programs are by default
 * (test_find.h). All are asked, so that all that is wrong is told at once, on stderr: 0, or the exit status,
 * and then none is to be used. test_programs_done() in any case.
 */
int test_programs_load(const struct verb *v, const char *dir, char *const *names, size_t n,
                       struct test_programs *ret);
void test_programs_done(struct test_programs *p);
