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
 * (test_find.h). What is no test program is told on stderr, each that is not: 0, or the exit status, and
 * then none is to be used. Those with a problem are among them. test_programs_done() in any case.
 */
int test_programs_load(const struct verb *v, const char *dir, char *const *names, size_t n,
                       struct test_programs *ret);

/* Tell the problems of those that have one, on stderr. Returns the worst exit status of them, or 0. */
int test_programs_tell_problems(const struct test_programs *p, const struct verb *v);

void test_programs_done(struct test_programs *p);
