/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenarios.h"

#include <string.h>

#include "../../common/cleanup.h"

static const struct ktstr_scenario_entry table[] = {
#define X(func_, name_, summary_) {name_, summary_, ktstr_##func_},
#include "../include/scenarios.h"
#undef X
};

const struct ktstr_scenario_entry *ktstr_scenario_find(const char *name)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(table); i++)
                if (strcmp(table[i].name, name) == 0)
                        return &table[i];
        return NULL;
}
