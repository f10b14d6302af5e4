/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../client/exit_status.h"
#include "../../common/cleanup.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"

static const struct {
        const char *verdict;
        int status;
} verdicts[] = {
        {"pass", 0},        {"skip", 0}, {"fail", 1}, {"inconclusive", 2}, {"error", 3},
        {"cancelled", 130}, {"", 3},     {"Pass", 3}, {"new", 3},
};

START_TEST(each_verdict_has_its_status)
{
        ck_assert_int_eq(exit_status_of_verdict(verdicts[_i].verdict), verdicts[_i].status);
}
END_TEST

static const struct {
        const char *name;
        int status;
} errors[] = {
        /* what was typed */
        {KT_E_INVALID_PARAMETER, 64},
        {KT_E_PERMISSION_DENIED, 64},
        {KT_E_NO_SUCH_KERNEL, 64},
        {KT_E_BAD_KERNEL, 64},
        {KT_E_KERNEL_UNSUITABLE, 64},
        {KT_E_NO_SUCH_JOB, 64},
        {KT_E_BAD_TOPOLOGY, 64},
        {KT_E_NEVER_FITS, 64},
        {KT_E_UNKNOWN_SCENARIO, 64},
        {KT_E_BAD_SCHEDULER, 64},
        {KT_E_LIBRARY_NOT_FOUND, 64},
        {KT_E_BAD_FILE, 64},
        {KT_E_ACCEL_UNUSABLE, 64},
        /* nobody who would do it now */
        {KT_E_BUSY, 69},
        {KT_E_SHUTTING_DOWN, 69},
        /* ours */
        {KT_E_INTERNAL, 3},
        {KT_E_IO, 3},
        {KT_E_GUEST_START, 3},
        {KT_E_GUEST_BOOT, 3},
        {KT_E_GUEST_DIED, 3},
        {KT_E_GUEST_PROTOCOL, 3},
        {KT_E_TIMEOUT, 3},
        {KT_E_METHOD_NOT_FOUND, 3},
        {KT_E_INTERFACE_NOT_FOUND, 3},
        {KT_E_METHOD_NOT_IMPLEMENTED, 3},
        {KT_E_EXPECTED_MORE, 3},
        {"io.example.Unknown", 3},
        {"", 3},
};

START_TEST(each_error_has_its_status)
{
        ck_assert_int_eq(exit_status_of_error(errors[_i].name), errors[_i].status);
}
END_TEST

START_TEST(the_end_of_a_job_has_its_status)
{
        ck_assert_int_eq(exit_status_of_end("error", KT_E_NO_SUCH_KERNEL), 64);
        ck_assert_int_eq(exit_status_of_end("error", KT_E_GUEST_BOOT), 3);
        ck_assert_int_eq(exit_status_of_end("error", NULL), 3);
        ck_assert_int_eq(exit_status_of_end("inconclusive", NULL), 2);
}
END_TEST

/* Each beats all that stand behind it. */
static const int worst_first[] = {64, 69, 3, 130, 1, 2, 0};

START_TEST(of_two_the_worse_counts)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(worst_first); i++)
                for (size_t k = i; k < KT_ARRAY_SIZE(worst_first); k++) {
                        ck_assert_int_eq(exit_status_worse(worst_first[i], worst_first[k]), worst_first[i]);
                        ck_assert_int_eq(exit_status_worse(worst_first[k], worst_first[i]), worst_first[i]);
                }
}
END_TEST

int main(void)
{
        Suite *s = suite_create("exit_status");
        TCase *c = tcase_create("exit_status");

        tcase_add_loop_test(c, each_verdict_has_its_status, 0, (int)KT_ARRAY_SIZE(verdicts));
        tcase_add_loop_test(c, each_error_has_its_status, 0, (int)KT_ARRAY_SIZE(errors));
        tcase_add_test(c, the_end_of_a_job_has_its_status);
        tcase_add_test(c, of_two_the_worse_counts);
        suite_add_tcase(s, c);
        return suite_run(s);
}
