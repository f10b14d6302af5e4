/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../common/seed.h"
#include "unit.h"

/* That a hundred are the same in one of their halves does not happen by chance. */
START_TEST(it_is_another_each_time_and_short_enough_to_type)
{
        int64_t differ = 0;
        const int64_t first = kt_random_seed();

        for (unsigned i = 0; i < 100; i++) {
                const int64_t seed = kt_random_seed();

                ck_assert_int_ge(seed, 0);
                ck_assert_int_le(seed, UINT32_MAX);
                differ |= seed ^ first;
        }
        ck_assert_int_ne(differ & 0xffff, 0);
        ck_assert_int_ne(differ >> 16, 0);
}
END_TEST

UNIT_MAIN("seed", it_is_another_each_time_and_short_enough_to_type)
