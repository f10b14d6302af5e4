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
