/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which presets a test is for. */

#include <json-c/json.h>

#include "preset.h"

struct constraints {
        unsigned min_llcs, max_llcs, min_cpus, max_cpus, min_numa_nodes, max_numa_nodes;
        bool requires_smt;
};

/* Where neither test nor scheduler says: llcs 1 to 12, CPUs 1 to 192, one node. */
extern const struct constraints constraints_default;

/* On top of *c, what a scheduler or test declares (`constraints` of listmsg.h; NULL: nothing): what is there
 * wins, KTSTR_NONE (-1) takes a limit away. */
void constraints_merge(struct constraints *c, struct json_object *declared);

/* Is the preset one for it? */
bool constraints_accept(const struct constraints *c, const struct preset *p);
