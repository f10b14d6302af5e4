/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <string.h>

#include "../../common/distance.h"
#include "../../common/cleanup.h"
#include "../lib/suite.h"

static const struct {
        const char *a, *b;
        unsigned distance;
} cases[] = {
        {"", "", 0},
        {"submit", "submit", 0},
        {"", "abc", 3},
        {"submt", "submit", 1},
        {"submiit", "submit", 1},
        {"submis", "submit", 1},
        {"usbmit", "submit", 2},
        {"kitten", "sitting", 3},
        {"flaw", "lawn", 2},
        {"abc", "xyz", 3},
        {"list", "info", 4},
        {"kernel", "Kernel", 1},
        {"ab", "ba", 2},
};

START_TEST(it_is_the_number_of_letters_to_change)
{
        ck_assert_uint_eq(kt_edit_distance(cases[_i].a, cases[_i].b), cases[_i].distance);
        ck_assert_uint_eq(kt_edit_distance(cases[_i].b, cases[_i].a), cases[_i].distance);
}
END_TEST

START_TEST(long_words_are_far_apart)
{
        char longest[65], other[65];

        memset(longest, 'a', sizeof(longest));
        memset(other, 'b', sizeof(other));
        longest[64] = other[64] = '\0';
        ck_assert_uint_eq(kt_edit_distance(longest, longest), UINT_MAX);
        ck_assert_uint_eq(kt_edit_distance("a", longest), UINT_MAX);
        ck_assert_uint_eq(kt_edit_distance(longest, "a"), UINT_MAX);
        longest[63] = other[63] = '\0';
        ck_assert_uint_eq(kt_edit_distance(longest, longest), 0);
        ck_assert_uint_eq(kt_edit_distance(longest, other), 63);
        ck_assert_uint_eq(kt_edit_distance("", longest), 63);
}
END_TEST

static const char *nearest_of(const char *wanted, const char *const *names)
{
        struct kt_nearest nearest = kt_nearest_to(wanted);

        for (; *names; names++)
                kt_nearest_offer(&nearest, *names);
        return nearest.name;
}

START_TEST(the_nearest_is_the_first_that_is_near)
{
        const char *const names[] = {"crash", "stalls", "stall", "stale", NULL};

        ck_assert_str_eq(nearest_of("stal", names), "stall");
        ck_assert_str_eq(nearest_of("crsah", names), "crash");
        ck_assert_ptr_null(nearest_of("dispatched", names));
        ck_assert_ptr_null(nearest_of("stall", names + 4));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("distance");
        TCase *c = tcase_create("distance");

        tcase_add_loop_test(c, it_is_the_number_of_letters_to_change, 0, (int)KT_ARRAY_SIZE(cases));
        tcase_add_test(c, long_words_are_far_apart);
        tcase_add_test(c, the_nearest_is_the_first_that_is_near);
        suite_add_tcase(s, c);
        return suite_run(s);
}
