/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files and programs of a request: descriptors taken out of the call, or paths kept for later. */

#include <json-c/json.h>

#include "call.h"
#include "job_spec.h"

/* An absolute path without empty, . and .. components, other than "/". */
bool job_path_is_normal(const char *path);

/* A list of Artifact, named `field` in errors. Within a list no guest path may come twice; between lists it
 * may, for the same file (prepare.h). NULL: none. */
int job_files_take(struct call *call, struct job_spec *spec, struct json_object *array, const char *field,
                   struct kt_error *reterr);

/* Of Submit: absent, nothing is set. */
int job_files_take_scheduler(struct call *call, struct job_spec *spec, struct kt_error *reterr);
int job_files_take_test(struct call *call, struct job_spec *spec, struct kt_error *reterr);

/* A copy of an array of strings. */
int job_strings_take(struct json_object *array, char ***ret, struct kt_error *reterr);
