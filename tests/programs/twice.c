/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Half of a program whose two files have a test of the same name. */
#include <ktstr.h>

KTSTR_SCHEDULER(shared, .name = "shared", .binary = "scx_shared");

KTSTR_TEST(twice, .scheduler = &shared)
{
        return KTSTR_PASS;
}
