/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Why cells cannot be run, known before any is: a program that cannot say what it declares, a file that is
 * not there. One for all the cells that it concerns, and told once to a person.
 */

#include <json-c/json.h>
#include <stddef.h>

struct test_problem {
        char *text;                  /* one line */
        struct json_object *details; /* an array of further lines; NULL: none */
        char *needed_by;             /* the tests, with their places; NULL: it is the program */
        int status;                  /* the exit status that it is worth */
};

/* NULL: out of memory. text is copied, details taken. */
struct test_problem *test_problem_new(const char *text, struct json_object *details, int status);
void test_problem_free(struct test_problem *p);
