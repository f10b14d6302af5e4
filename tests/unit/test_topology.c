/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/topology.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"

START_TEST(both_notations_are_read)
{
        static const char *const texts[] = {"2n4l3c1t", "2,4,3,1"};
        struct topology t;

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++) {
                ck_assert_int_eq(topology_parse(texts[i], &t, NULL), 0);
                ck_assert_uint_eq(t.numa_nodes, 2);
                ck_assert_uint_eq(t.llcs, 4);
                ck_assert_uint_eq(t.cores, 3);
                ck_assert_uint_eq(t.threads, 1);
                ck_assert_uint_eq(topology_cpus(&t), 12);
        }
}
END_TEST

START_TEST(what_is_formatted_is_read_back)
{
        const struct topology from = {1, 14, 9, 2};
        struct topology to;
        char text[TOPOLOGY_TEXT_MAX];

        topology_format(&from, text);
        ck_assert_str_eq(text, "1n14l9c2t");
        ck_assert_int_eq(topology_parse(text, &to, NULL), 0);
        ck_assert_mem_eq(&from, &to, sizeof(from));
}
END_TEST

static const struct {
        const char *text, *message;
} refused[] = {
        {"", "invalid topology ''"},
        {"abc", "invalid topology 'abc'"},
        {"1,1,2", "invalid topology"},
        {"1,1,2,1,1", "invalid topology"},
        {"1n1l2c", "invalid topology"},
        {"1n1l2c1t ", "invalid topology"},
        {" 1n1l2c1t", "invalid topology"},
        {"1n1l-2c1t", "invalid topology"},
        {"1n1l2,1t", "invalid topology"},
        {"1N1L2C1T", "invalid topology"},
        {"0,1,1,1", "NUMA nodes must be >= 1"},
        {"1n0l1c1t", "LLCs must be >= 1"},
        {"1n1l0c1t", "cores per LLC must be >= 1"},
        {"1n1l1c0t", "threads per core must be >= 1"},
        {"2n3l1c1t", "3 LLCs do not divide over 2 NUMA nodes"},
        {"2n1l2c1t", "1 LLCs do not divide over 2 NUMA nodes"},
        {"1n1l300c1t", "has 300 CPUs: a guest can have at most 255"},
        {"1n16l8c2t", "has 256 CPUs"},
        {"129n129l1c1t", "has 129 NUMA nodes: a guest can have at most 128"},
        {"1n99999999999999999999l99999999999999999999c99999999999999999999t",
         "CPUs: a guest can have at most 255"},
};

START_TEST(what_is_wrong_is_named)
{
        struct kt_error err = KT_ERROR_INIT;
        struct topology t = {7, 7, 7, 7};

        ck_assert_int_lt(topology_parse(refused[_i].text, &t, &err), 0);
        ck_assert_msg(strstr(err.message, refused[_i].message) != NULL, "'%s' is not in: %s",
                      refused[_i].message, err.message);
        ck_assert_str_eq(err.name, KT_E_BAD_TOPOLOGY);
        ck_assert_str_eq(err.field, "topology");
        ck_assert_uint_eq(t.cores, 7);
        kt_error_done(&err);
}
END_TEST

START_TEST(the_largest_that_fits_is_taken)
{
        struct topology t;

        ck_assert_int_eq(topology_parse("1n1l255c1t", &t, NULL), 0);
        ck_assert_int_eq(topology_parse("128n128l1c1t", &t, NULL), 0);
}
END_TEST

START_TEST(default_memory)
{
        const struct topology small = {1, 1, 4, 1}, more = {1, 1, 5, 1}, large = {1, 14, 9, 2};

        ck_assert_uint_eq(topology_default_memory_mib(&small), 256);
        ck_assert_uint_eq(topology_default_memory_mib(&more), 320);
        ck_assert_uint_eq(topology_default_memory_mib(&large), 252 * 64);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("topology");
        TCase *c = tcase_create("topology");

        tcase_add_test(c, both_notations_are_read);
        tcase_add_test(c, what_is_formatted_is_read_back);
        tcase_add_loop_test(c, what_is_wrong_is_named, 0, (int)KT_ARRAY_SIZE(refused));
        tcase_add_test(c, the_largest_that_fits_is_taken);
        tcase_add_test(c, default_memory);
        suite_add_tcase(s, c);
        return suite_run(s);
}
