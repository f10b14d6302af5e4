/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The scenarios by their names: those of lib/include/scenarios.h. */

#include "../include/ktstr.h"

struct ktstr_scenario_entry {
        const char *name, *summary;
        enum ktstr_outcome (*func)(struct ktstr_ctx *ctx);
};

/* NULL: there is none of that name. */
const struct ktstr_scenario_entry *ktstr_scenario_find(const char *name);
