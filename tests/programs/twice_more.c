/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other half. */
#include <ktstr.h>

KTSTR_SCHEDULER_EXTERN(shared);

KTSTR_TEST(once, .scheduler = &shared)
{
        return KTSTR_PASS;
}

/* name: there is another test 'twice', at */
KTSTR_TEST(twice, .scheduler = &shared)
{
        return KTSTR_PASS;
}
