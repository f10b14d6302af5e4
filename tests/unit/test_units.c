/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../client/units.h"
#include "../../common/cleanup.h"
#include "../lib/suite.h"

struct given {
        const char *text;
        int r;
        int64_t value;
};

static const struct given durations[] = {
        {"5", 0, 5000},
        {"5s", 0, 5000},
        {"500ms", 0, 500},
        {"2m", 0, 120000},
        {"2min", 0, 120000},
        {"1h", 0, 3600000},
        {"1.5s", 0, 1500},
        {"0.5", 0, 500},
        {"1.5ms", 0, 2},
        {"24h", 0, 86400000},
        {"86400", 0, 86400000},
        {"05s", 0, 5000},
        {"1ms", 0, 1},
        {"0", -ERANGE, 0},
        {"0s", -ERANGE, 0},
        {"0.1ms", -ERANGE, 0},
        {"25h", -ERANGE, 0},
        {"86401", -ERANGE, 0},
        {"24.1h", -ERANGE, 0},
        {"99999999999999999999h", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"-5s", -EINVAL, 0},
        {"+5s", -EINVAL, 0},
        {" 5s", -EINVAL, 0},
        {"5s ", -EINVAL, 0},
        {"5 s", -EINVAL, 0},
        {"5x", -EINVAL, 0},
        {"5S", -EINVAL, 0},
        {"1.2.3s", -EINVAL, 0},
        {".5s", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"inf", -EINVAL, 0},
        {"nan", -EINVAL, 0},
        {"5ss", -EINVAL, 0},
        {"1d", -EINVAL, 0},
        {"5,5s", -EINVAL, 0},
        {"00000000000000000000000000000001s", -EINVAL, 0},
};

static const struct given sizes[] = {
        {"512", 0, 512},      {"512M", 0, 512},     {"512MiB", 0, 512},   {"512MB", 0, 512},
        {"2G", 0, 2048},      {"2GiB", 0, 2048},    {"2GB", 0, 2048},     {"1.5G", 0, 1536},
        {"1T", 0, 1048576},   {"4T", 0, 4194304},   {"0", -ERANGE, 0},    {"5T", -ERANGE, 0},
        {"0.1M", -ERANGE, 0}, {"512K", -EINVAL, 0}, {"512m", -EINVAL, 0}, {"-1", -EINVAL, 0},
        {"", -EINVAL, 0},     {"G", -EINVAL, 0},    {"1 G", -EINVAL, 0},  {"1GG", -EINVAL, 0},
};

static const struct given numbers[] = {
        {"1", 0, 1},
        {"10", 0, 10},
        {"007", 0, 7},
        {"0", -ERANGE, 0},
        {"11", -ERANGE, 0},
        {"-1", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"x", -EINVAL, 0},
        {"1x", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"1.5", -EINVAL, 0},
        {"0x1", -EINVAL, 0},
};

static int parse_1_to_10(const char *text, int64_t *ret)
{
        return parse_number(text, 1, 10, ret);
}

static void check(const struct given *g, int (*parse)(const char *, int64_t *))
{
        int64_t value = -77;
        int r = parse(g->text, &value);

        ck_assert_msg(r == g->r, "'%s': %d", g->text, r);
        ck_assert_msg(value == (g->r < 0 ? -77 : g->value), "'%s' is %lld", g->text, (long long)value);
}

START_TEST(a_duration_is_in_milliseconds)
{
        check(&durations[_i], parse_duration);
}
END_TEST

START_TEST(a_size_is_in_mebibytes)
{
        check(&sizes[_i], parse_size);
}
END_TEST

START_TEST(a_number_is_within_its_bounds)
{
        check(&numbers[_i], parse_1_to_10);
}
END_TEST

static const struct {
        int64_t ahead, wait_ms;
        const char *text;
} places[] = {
        {3, 12000, "3 ahead, about 12 s"},
        {3, 12001, "3 ahead, about 13 s"},
        {1, -1, "1 ahead"},
        {0, -1, "next"},
        {0, 1, "next, about 1 s"},
        {2, 0, "2 ahead, about 1 s"},
        {0, 120000, "next, about 120 s"},
        {0, 120001, "next, about 3 min"},
        {9, 7200000, "9 ahead, about 120 min"},
        {9, 7200001, "9 ahead, about 3 h"},
        {9999, 864000000000, "9999 ahead, about 240000 h"},
        {INT64_MAX, INT64_MAX, "9223372036854775807 ahead, about 2562047788016 h"},
};

START_TEST(a_place_is_told_as_finely_as_it_is_known)
{
        char text[64], little[8];

        format_place(places[_i].ahead, places[_i].wait_ms, text, sizeof(text));
        ck_assert_str_eq(text, places[_i].text);
        /* What does not fit is cut, not written elsewhere. */
        format_place(places[_i].ahead, places[_i].wait_ms, little, sizeof(little));
        ck_assert_uint_lt(strlen(little), sizeof(little));
        ck_assert_int_eq(strncmp(little, text, strlen(little)), 0);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("units");
        TCase *c = tcase_create("units");

        tcase_add_loop_test(c, a_duration_is_in_milliseconds, 0, (int)KT_ARRAY_SIZE(durations));
        tcase_add_loop_test(c, a_size_is_in_mebibytes, 0, (int)KT_ARRAY_SIZE(sizes));
        tcase_add_loop_test(c, a_number_is_within_its_bounds, 0, (int)KT_ARRAY_SIZE(numbers));
        tcase_add_loop_test(c, a_place_is_told_as_finely_as_it_is_known, 0, (int)KT_ARRAY_SIZE(places));
        suite_add_tcase(s, c);
        return suite_run(s);
}
