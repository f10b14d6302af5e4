/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "../../proto/kargs.h"
#include "../lib/suite.h"

static const char *const fine[] = {"threadirqs", "isolcpus=1-3", "initcall_debug", "nohz_full=1",
                                   "quietly",    "tsc_x=1",      "sched.x=a,b"};

START_TEST(what_is_an_authors_own_is_taken)
{
        ck_assert_int_eq(kt_karg_check(fine[_i], NULL), 0);
}
END_TEST

static const struct {
        const char *karg, *text;
} refused[] = {
        {"console=ttyS1", "is set by ktstrd itself"},
        {"quiet", "is set by ktstrd itself"},
        {"loglevel=7", "is set by ktstrd itself"},
        {"init=/bin/sh", "is set by ktstrd itself"},
        {"rdinit=/bin/sh", "is set by ktstrd itself"},
        {"memmap=1G$0", "is set by ktstrd itself"},
        {"mem=64M", "is set by ktstrd itself"},
        {"nokaslr", "is set by ktstrd itself"},
        {"norandmaps", "is set by ktstrd itself"},
        {"8250.nr_uarts=4", "is set by ktstrd itself"},
        {"ktstr.anything", "is set by ktstrd itself"},
        /* The kernel takes '-' and '_' for the same. */
        {"no-timer-check", "is set by ktstrd itself"},
        {"random.trust-cpu=off", "is set by ktstrd itself"},
        {"", "is empty"},
        {"a b", "blanks"},
        {"a=\"b\"", "quotes"},
        {"a\tb", "blanks"},
        {"--", "init's"},
};

START_TEST(what_is_the_daemons_is_refused)
{
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(kt_karg_check(refused[_i].karg, &err), -EINVAL);
        ck_assert_msg(strstr(kt_error_text(&err), refused[_i].text), "%s", kt_error_text(&err));
        kt_error_done(&err);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kargs");
        TCase *tc = tcase_create("kargs");

        tcase_add_loop_test(tc, what_is_an_authors_own_is_taken, 0, (int)KT_ARRAY_SIZE(fine));
        tcase_add_loop_test(tc, what_is_the_daemons_is_refused, 0, (int)KT_ARRAY_SIZE(refused));
        suite_add_tcase(s, tc);
        return suite_run(s);
}
