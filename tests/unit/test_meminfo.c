/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/sysinfo.h>

#include "../../common/meminfo.h"
#include "unit.h"

START_TEST(some_of_the_memory_is_available)
{
        const uint64_t kib = kt_meminfo_available_kib();
        struct sysinfo machine;

        ck_assert_int_eq(sysinfo(&machine), 0);
        ck_assert_uint_gt(kib, 0);
        ck_assert_uint_le(kib, (uint64_t)machine.totalram * machine.mem_unit / 1024);
}
END_TEST

UNIT_MAIN("meminfo", some_of_the_memory_is_available)
