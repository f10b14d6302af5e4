/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/version.h"

#include <string.h>

#include "unit.h"

START_TEST(what_is_a_version_is_read)
{
        static const struct {
                const char *text;
                struct version v;
        } cases[] = {
                {"6.14.2", {{6, 14, 2}, 3, 0}}, {"6.12", {{6, 12, 0}, 2, 0}},
                {"6", {{6, 0, 0}, 1, 0}},       {"6.15-rc3", {{6, 15, 0}, 2, 3}},
                {"6.14.0", {{6, 14, 0}, 3, 0}}, {"6.14.2-rc1", {{6, 14, 2}, 3, 1}},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version v;

                ck_assert_msg(version_parse(cases[i].text, &v), "%s", cases[i].text);
                ck_assert_msg(memcmp(&v, &cases[i].v, sizeof(v)) == 0, "%s", cases[i].text);
        }
}
END_TEST

START_TEST(what_is_none_is_refused)
{
        static const char *const cases[] = {"",         "v6.14",   "6.",      ".6",           "6..1",
                                            "6.14.2.1", "6.15-rc", "6-rc1",   "6.15-rc0",     "6.15rc3",
                                            "-1",       "6.14 ",   " 6",      "6.x",          "6.1-rc3x",
                                            "next-1",   "6.+1",    "1234567", "6.99999999999"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version v;

                ck_assert_msg(!version_parse(cases[i], &v), "%s", cases[i]);
        }
}
END_TEST

static struct version parsed(const char *text)
{
        struct version v;

        ck_assert(version_parse(text, &v));
        return v;
}

START_TEST(they_are_in_order)
{
        static const char *const sorted[] = {"5.19.17", "6.9.12",     "6.14-rc1", "6.14-rc2", "6.14-rc10",
                                             "6.14",    "6.14.1-rc1", "6.14.1",   "6.14.10",  "7.0"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(sorted); i++)
                for (size_t j = 0; j < KT_ARRAY_SIZE(sorted); j++) {
                        struct version a = parsed(sorted[i]), b = parsed(sorted[j]);
                        int is = version_compare(&a, &b);

                        ck_assert_msg((is > 0) - (is < 0) == (i > j) - (i < j), "%s, %s", sorted[i],
                                      sorted[j]);
                }
        struct version a = parsed("6.14"), b = parsed("6.14.0");
        ck_assert_int_eq(version_compare(&a, &b), 0);
}
END_TEST

START_TEST(a_series_is_told_by_whole_numbers)
{
        static const struct {
                const char *version, *series;
                bool is;
        } cases[] = {{"6.14.2", "6.14", true},  {"6.14", "6.14", true}, {"6.1.2", "6.14", false},
                     {"6.14.2", "6.1", false},  {"6.14.2", "6", true},  {"60.1", "6", false},
                     {"6.15-rc3", "6.15", true}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version v = parsed(cases[i].version), s = parsed(cases[i].series);

                ck_assert_msg(version_is_of(&v, &s) == cases[i].is, "%s of %s", cases[i].version,
                              cases[i].series);
        }
}
END_TEST

START_TEST(the_text_is_that_of_files)
{
        static const char *const cases[][2] = {
                {"6.14.2", "6.14.2"},
                {"6.14.0", "6.14"},
                {"6.15-rc3", "6.15-rc3"},
                {"999999.999999.999999-rc999999", "999999.999999.999999-rc999999"}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version v = parsed(cases[i][0]);
                char text[VERSION_TEXT_MAX];

                version_text(&v, text);
                ck_assert_str_eq(text, cases[i][1]);
        }
}
END_TEST

UNIT_MAIN("version", what_is_a_version_is_read, what_is_none_is_refused, they_are_in_order,
          a_series_is_told_by_whole_numbers, the_text_is_that_of_files)
