/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/job_spec.h"
#include "unit.h"

static uint64_t watchdog_ms(uint32_t timeout_ms, bool emulated)
{
        const struct job_spec spec = {.watchdog = {.timeout_ms = timeout_ms}};

        return job_spec_watchdog_ms(&spec, emulated);
}

/* It looks twice in a timeout, and may have looked just before. */
START_TEST(the_kernels_watchdog_takes_half_as_long_again)
{
        ck_assert_uint_eq(watchdog_ms(2000, false), 13000);
        ck_assert_uint_eq(watchdog_ms(30000, false), 55000);
        ck_assert_uint_eq(watchdog_ms(30000, true), 55000);
}
END_TEST

START_TEST(a_schedulers_own_timeout_may_be_the_longest)
{
        ck_assert_uint_eq(watchdog_ms(0, false), watchdog_ms(30000, false));
        ck_assert_uint_eq(watchdog_ms(0, true), watchdog_ms(30000, true));
}
END_TEST

/* So long the guest is given for all that it does, be the watchdog as quick as it may. */
START_TEST(an_emulated_guest_has_its_time)
{
        ck_assert_uint_eq(watchdog_ms(2000, true), 40000);
        ck_assert_uint_eq(watchdog_ms(20000, true), 40000);
        ck_assert_uint_eq(watchdog_ms(24000, true), 46000);
}
END_TEST

/* Who asks for a timeout has it, emulated or not. */
START_TEST(the_default_is_twice_as_long_where_cpus_are_emulated)
{
        const struct job_spec unset = {.watchdog = {.at_most = true, .by_default = true}},
                              set = {.watchdog = {.timeout_ms = 5000, .at_most = true}};

        ck_assert_uint_eq(job_spec_timeout_ms(&unset, false), 5000);
        ck_assert_uint_eq(job_spec_timeout_ms(&unset, true), 10000);
        ck_assert_uint_eq(job_spec_watchdog_ms(&unset, false), 17500);
        ck_assert_uint_eq(job_spec_timeout_ms(&set, true), 5000);
}
END_TEST

UNIT_MAIN("job_spec", the_default_is_twice_as_long_where_cpus_are_emulated,
          the_kernels_watchdog_takes_half_as_long_again, a_schedulers_own_timeout_may_be_the_longest,
          an_emulated_guest_has_its_time)
