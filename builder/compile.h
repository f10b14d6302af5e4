/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a configured source to its vmlinux. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

struct compile {
        const char *dir, *config; /* as in struct make */
        bool in_place;            /* somebody's own tree, whose own make comes after us */
        unsigned jobs;            /* 0: one a CPU that we may run on */
        int64_t estimate;         /* of objects */
};

/*
 * `make vmlinux`; answers with the stage "compile". *ret_objects: how many were made.
 *
 * What a make left that was killed without a chance to clean up is not believed: kbuild takes a file for
 * finished once it is there and its command is noted, and an object is looked at by objtool after that. The
 * file COMPILE_MARKER in dir is there while we compile; where it is found, all that was made in the last
 * minute is made again.
 */
#define COMPILE_MARKER ".ktstr-compiling"
int compile(const struct compile *c, int64_t *ret_objects, struct json_object *details,
            struct kt_error *reterr);

/* Throw away what was built in dir. In place the .config stays, which `make mrproper` would remove: then it
 * is `make clean` and without include/config and include/generated. */
int compile_clean(const struct compile *c, struct json_object *details, struct kt_error *reterr);
