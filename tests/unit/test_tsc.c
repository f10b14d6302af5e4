/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../../daemon/tsc.h"
#include "../lib/suite.h"

static unsigned measure(void)
{
        const struct tsc_moment now = tsc_look();

        return tsc_khz_since(&now);
}

START_TEST(it_is_the_same_each_time)
{
        const unsigned khz = measure();

        /* A host whose counter is no clock has none. */
        if (khz == 0)
                return;
        ck_assert_uint_gt(khz, 100000);
        ck_assert_uint_lt(khz, 10000000);
        for (int i = 0; i < 5; i++)
                ck_assert_int_lt(abs((int)measure() - (int)khz), (int)(khz / 1000));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("tsc");
        TCase *c = tcase_create("tsc");

        tcase_add_test(c, it_is_the_same_each_time);
        suite_add_tcase(s, c);
        return suite_run(s);
}
