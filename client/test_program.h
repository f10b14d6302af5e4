/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A program that declares tests (proto/listmsg.h), and what it declares: it is run once, under limits
 * (confined.h), and what it prints is checked against proto/listing.idl before anything of it is used.
 */

#include <json-c/json.h>
#include <stddef.h>

#include "../common/error.h"
#include "test_problem.h"
#include "verb.h"

struct test_program {
        char *path;   /* as it was named */
        char *folder; /* absolute: what the paths that it declares are relative to */
        struct json_object *listing;
        /* Owned; NULL: there is none. It crashed, hung, printed too much or something else than a listing
         * (status 3), or what it declares is wrong (64). Then it has no tests that could be used. */
        struct test_problem *problem;
};

/*
 * path: a file, not looked for in PATH. An ELF file has to have the section ktstr_tests; a script is taken
 * at its word. -errno with one line when it is no test program (KT_E_BAD_FILE). What is wrong with one that
 * is becomes its problem.
 */
int test_program_load(const char *path, struct test_program *ret, struct kt_error *reterr);
void test_program_done(struct test_program *p);

/* The file's name without its folders. Borrowed. */
const char *test_program_name(const struct test_program *p);

/* Tell its problem, if it has one, on stderr: a line for each that is wrong. Returns the exit status. */
int test_program_tell_problem(const struct test_program *p, const struct verb *v);

/* What it declares: borrowed. NULL beyond the last; NULL for a scheduler that was not named. None with a
 * problem. */
struct json_object *test_program_test(const struct test_program *p, size_t i);
struct json_object *test_program_scheduler(const struct test_program *p, const char *ident);

/* Check a listing that was parsed: the format, the types, names that are such, schedulers that are there;
 * where it has errors, these alone. -EINVAL with a text. */
int test_program_check(struct json_object *listing, struct kt_error *reterr);
