/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/*
 * --sched to a program's path (malloced): with a slash it is a path; a bare name is looked for in
 * KTSTR_SCHEDULER_BIN_<NAME> (upper case, other characters than letters and digits as '_'), KTSTR_SCHEDULER,
 * $PATH, ./build and its folders, ./target/release,
 * ./target/debug. An environment variable that names a file which is not there is an error, not passed over.
 */
int sched_lookup(const char *name, char **ret, struct kt_error *reterr);

/*
 * The same for one that a test program in `folder` declares by name: beside the program and in the folder
 * above it, in place of the build folders of where we stand, and before PATH.
 */
int sched_lookup_beside(const char *name, const char *folder, char **ret, struct kt_error *reterr);

/* A program that is no scheduler: a path, from `folder` where it is relative, or a name, beside the test
 * program in `folder` and then in PATH. what: for the error, "payload schbench". */
int program_lookup_beside(const char *name, const char *folder, const char *what, char **ret,
                          struct kt_error *reterr);
