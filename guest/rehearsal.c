/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest goes through before it waits for a test: one that does nothing of its own. It is in the
 * guest's image with its libraries, which are those of nearly all test programs and schedulers. */
#include <ktstr.h>

/* KT_GUEST_REHEARSAL_TEST */
KTSTR_TEST(rehearsal)
{
        return ktstr_scenario_steady(ctx);
}
