/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One make of a kernel, its output answered as log, warnings and progress. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

/* In the environment of each make, so that the same source gives the same kernel wherever and whenever it
 * is built: what would be the date, the user, the host and the count of builds in /proc/version. */
#define MAKE_BUILD_TIMESTAMP "Thu Jan  1 00:00:00 UTC 1970"
#define MAKE_BUILD_USER "ktstr"
#define MAKE_BUILD_HOST "ktstr"
#define MAKE_BUILD_VERSION "1"

struct make {
        const char *dir;      /* the kernel's source */
        const char *config;   /* absolute path of what takes the place of its .config */
        const char *target;   /* "olddefconfig", "vmlinux" */
        const char *variable; /* "KCFLAGS=…", or NULL */
        unsigned jobs;        /* 0: no -j */
        int64_t estimate;     /* of objects; 0: progress is not answered */

        /* As in struct child, with the userdata next to it. */
        void (*at_end)(void *userdata, bool killed);
        void *userdata;
};

/* ret_objects (how many were made) may be NULL. On failure lines are added to details, an array of texts,
 * the important first. */
int make_run(const struct make *m, int64_t *ret_objects, struct json_object *details,
             struct kt_error *reterr);
