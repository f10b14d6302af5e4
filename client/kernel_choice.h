/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which kernels a command is for: those that were named with --kernel, else those of KTSTR_KERNEL, else the
 * default; and what that comes to.
 *
 * The default is what the daemon has cached. Only where it has nothing that will do are the kernels looked
 * at that lie about here (kernel_candidates.h), and which one was taken stands on stderr. A kernel that was
 * named is never replaced by another.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "../common/error.h"
#include "verb.h"

struct kernel_choice {
        struct json_object *specs; /* array of strings; NULL: the default */
        bool fetch;                /* get what is missing */
};
void kernel_choice_done(struct kernel_choice *c);

/* A name as the daemon takes it, malloced: a path is made absolute, from the folder that we are in, also
 * that of a git repository. -EINVAL with a text where it cannot be read. */
int kernel_choice_spec(const char *text, char **ret, struct kt_error *reterr);

/* git takes a folder for a URL too: made absolute where there is one, else url as it is. Malloced. */
char *kernel_choice_git_url(const char *url);

/* Name one more. Errors as above. */
int kernel_choice_add(struct kernel_choice *c, const char *spec, struct kt_error *reterr);

/* Where none is named: KTSTR_KERNEL, which may have several with blanks between them. */
int kernel_choice_add_default(struct kernel_choice *c, struct kt_error *reterr);

/* May it come to several? More than one is named, or a range. */
bool kernel_choice_is_several(const struct kernel_choice *c);

/* What it comes to, an array of io.ktstrd.Kernel.Resolved that the caller owns; what is missing is got first
 * where that was asked for. False: told on stderr, *ret_status is to be returned. */
bool kernel_choice_resolve(const struct kernel_choice *c, const struct verb *v, const struct globals *g,
                           struct json_object **ret, int *ret_status);

/* By what a job names a Resolved: its path, or its key. Borrowed. */
const char *kernel_choice_name(struct json_object *resolved);

/* Set the parameter `kernel` of a job that has one kernel; absent: the daemon's default. False as above, and
 * where it comes to several. */
bool kernel_choice_one(const struct kernel_choice *c, const struct verb *v, const struct globals *g,
                       struct json_object *params, int *ret_status);
