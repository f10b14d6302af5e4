/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a request sets in its guest, what it expects, and how its guest is to run on the host: kargs,
 * sysctls, cgroup_parent, checks, watchdog, expect, performance_mode, cpu_budget. */

#include <json-c/json.h>

#include "job_spec.h"

/* All of them, from the parameters of Submit. Errors name the field. */
int job_setting_take(struct json_object *parameters, struct job_spec *spec, struct kt_error *reterr);
