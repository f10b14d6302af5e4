/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outcome.h"

#include <string.h>

#include "../common/cleanup.h"

static const char *const names[] = {
        [KTSTR_PASS] = "pass", [KTSTR_SKIP] = "skip",   [KTSTR_INCONCLUSIVE] = "inconclusive",
        [KTSTR_FAIL] = "fail", [KTSTR_ERROR] = "error",
};

const char *outcome_name(enum ktstr_outcome outcome)
{
        return (unsigned)outcome < KT_ARRAY_SIZE(names) ? names[outcome] : names[KTSTR_ERROR];
}

bool outcome_find(const char *name, enum ktstr_outcome *ret)
{
        for (unsigned i = 0; name && i < KT_ARRAY_SIZE(names); i++)
                if (strcmp(names[i], name) == 0) {
                        *ret = (enum ktstr_outcome)i;
                        return true;
                }
        return false;
}
