/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../lib/body/affinity.h"
#include "../../lib/cpus.h"
#include "../../lib/body/cpuset.h"
#include "unit.h"

static struct ktstr_cpus parse(const char *list)
{
        struct ktstr_cpus set;

        ck_assert_msg(ktstr_cpus_parse(list, &set), "%s", list);
        return set;
}

static const char *format(const struct ktstr_cpus *set)
{
        static char text[256];

        return ktstr_cpus_format(set, text, sizeof(text));
}

/* Eight CPUs, two LLCs, the second node without CPUs. */
static struct ktstr_topo topo;
static struct ktstr_cpus llcs[2], nodes[2];

static void set_up(void)
{
        llcs[0] = parse("0-3");
        llcs[1] = parse("4-7");
        nodes[0] = parse("0-7");
        nodes[1] = parse("");
        topo = (struct ktstr_topo){.all = parse("0-7"),
                                   .usable = parse("0-6"),
                                   .n_llcs = 2,
                                   .n_nodes = 2,
                                   .llcs = llcs,
                                   .nodes = nodes,
                                   .threads = 1};
}

static void is(struct ktstr_cpuset spec, const char *expected)
{
        struct ktstr_cpus set;
        struct kt_error err = KT_ERROR_INIT;

        set_up();
        ck_assert_msg(cpuset_resolve(&spec, &topo, &set, &err) == 0, "%s", kt_error_text(&err));
        ck_assert_str_eq(format(&set), expected);
}

static void is_refused(struct ktstr_cpuset spec, const char *expected)
{
        struct ktstr_cpus set;
        struct kt_error err = KT_ERROR_INIT;

        set_up();
        ck_assert_int_eq(cpuset_resolve(&spec, &topo, &set, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), expected);
        kt_error_done(&err);
}

START_TEST(lists_are_read_and_written)
{
        static const char *const good[] = {"", "0", "0-3", "0-3,5,7-9", "63-64,1023"};
        static const char *const bad[] = {"x",  "-1",   "1-",  "3-1",  "1,,2",
                                          "1,", "1024", "1 2", "0-3;", "99999999999"};
        struct ktstr_cpus set;
        char small[8];

        for (size_t i = 0; i < KT_ARRAY_SIZE(good); i++) {
                set = parse(good[i]);
                ck_assert_str_eq(format(&set), good[i]);
        }
        for (size_t i = 0; i < KT_ARRAY_SIZE(bad); i++)
                ck_assert_msg(!ktstr_cpus_parse(bad[i], &set), "%s", bad[i]);
        set = parse("2,1,0,8\n");
        ck_assert_str_eq(format(&set), "0-2,8");
        ck_assert_uint_eq(ktstr_cpus_count(&set), 4);
        ck_assert(ktstr_cpus_has(&set, 8) && !ktstr_cpus_has(&set, 3) && !ktstr_cpus_has(&set, 5000));
        /* A range is there as a whole or not at all. */
        set = parse("1,3,100-200");
        ck_assert_str_eq(ktstr_cpus_format(&set, small, sizeof(small)), "1,3");
}
END_TEST

START_TEST(specs_mean_cpus_of_the_topology)
{
        is(ktstr_cpuset_all(), "0-7");
        is(ktstr_cpuset_llc(1), "4-7");
        is(ktstr_cpuset_numa(0), "0-7");
        is(ktstr_cpuset_range(0, 0.5), "0-2");
        is(ktstr_cpuset_range(0.5, 1), "3-6");
        is(ktstr_cpuset_exact("1,6-7"), "1,6-7");
        is(ktstr_cpuset_overlap(0, 2, 0.5), "0-3");
        is(ktstr_cpuset_overlap(1, 2, 0.5), "2-6");
        is(ktstr_cpuset_overlap(1, 3, 1), "0-5");
}
END_TEST

START_TEST(fractions_are_whole_cpus_whatever_doubles_say)
{
        struct ktstr_cpuset spec = ktstr_cpuset_range(0, 0.29);
        struct ktstr_cpus set;

        set_up();
        topo.usable = parse("0-99");
        ck_assert_int_eq(cpuset_resolve(&spec, &topo, &set, NULL), 0);
        ck_assert_uint_eq(ktstr_cpus_count(&set), 29);
}
END_TEST

START_TEST(disjoint_parts_cover_what_is_usable)
{
        for (unsigned of = 1; of <= 7; of++) {
                struct ktstr_cpus all = {};
                unsigned n = 0;

                set_up();
                for (unsigned i = 0; i < of; i++) {
                        struct ktstr_cpuset spec = ktstr_cpuset_disjoint(i, of);
                        struct ktstr_cpus part;

                        ck_assert_int_eq(cpuset_resolve(&spec, &topo, &part, NULL), 0);
                        n += ktstr_cpus_count(&part);
                        for (unsigned cpu = 0; cpu < 8; cpu++)
                                if (ktstr_cpus_has(&part, cpu))
                                        ktstr_cpus_add(&all, cpu);
                }
                ck_assert_uint_eq(n, 7);
                ck_assert_str_eq(format(&all), "0-6");
        }
}
END_TEST

START_TEST(what_cannot_be_is_refused_word_for_word)
{
        struct ktstr_cpuset eight = ktstr_cpuset_disjoint(0, 8);
        struct ktstr_cpus set;
        struct kt_error err = KT_ERROR_INIT;

        set_up();
        topo.usable = parse("0-3");
        ck_assert_int_eq(cpuset_resolve(&eight, &topo, &set, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "not enough usable CPUs (4) for 8 partitions");
        kt_error_done(&err);

        is_refused(ktstr_cpuset_disjoint(3, 3), "index 3 >= partition count 3");
        is_refused(ktstr_cpuset_disjoint(0, 0), "partition count must be at least 1");
        is_refused(ktstr_cpuset_range(0.5, 1.5), "Range fracs must lie in [0.0, 1.0]: start 0.5, end 1.5");
        is_refused(ktstr_cpuset_range(-0.1, 0.5), "Range fracs must lie in [0.0, 1.0]: start -0.1, end 0.5");
        is_refused(ktstr_cpuset_range(0.5, 0.5), "Range start 0.5 must be less than its end 0.5");
        is_refused(ktstr_cpuset_range(0.01, 0.02), "Range 0.01 to 0.02 holds none of 7 usable CPUs");
        is_refused(ktstr_cpuset_overlap(0, 2, 2), "Overlap frac must lie in [0.0, 1.0]: 2");
        is_refused(ktstr_cpuset_llc(2), "LLC index 2 >= LLC count 2");
        is_refused(ktstr_cpuset_numa(2), "NUMA node index 2 >= NUMA node count 2");
        is_refused(ktstr_cpuset_numa(1), "NUMA node 1 has no CPUs");
        is_refused(ktstr_cpuset_exact("0-x"), "'0-x' is no list of CPUs");
        is_refused(ktstr_cpuset_exact(""), "'' is no list of CPUs");
        is_refused(ktstr_cpuset_exact("6-9"), "of the CPUs 6-9 some are not there: these are 0-7");
}
END_TEST

START_TEST(sets_are_cut_and_gone_round)
{
        const struct ktstr_cpus a = parse("1-4,70"), b = parse("0,3-6,70"), none = {};
        struct ktstr_cpus set = cpus_and(&a, &b);

        ck_assert_str_eq(format(&set), "3-4,70");
        set = cpus_without(&a, &b);
        ck_assert_str_eq(format(&set), "1-2");
        ck_assert_uint_eq(cpus_nth(&a, 4), 70);
        ck_assert_uint_eq(cpus_nth(&a, 5), 1);
        ck_assert_uint_eq(cpus_nth(&none, 3), 0);
}
END_TEST

START_TEST(affinities_stay_within_the_cpuset)
{
        const struct ktstr_affinity cpus = {.kind = KTSTR_AFFINITY_CPUS, .cpus = ktstr_cpuset_llc(0)},
                                    each = {.kind = KTSTR_AFFINITY_EACH},
                                    drawn = {.kind = KTSTR_AFFINITY_RANDOM, .count = 2};
        struct ktstr_cpus cpuset = parse("2-5"), ret[6];
        uint64_t random = 1;

        set_up();
        ck_assert_int_eq(affinity_resolve(&cpus, &topo, &cpuset, 1, &random, ret, NULL), 0);
        ck_assert_str_eq(format(&ret[0]), "2-3");
        ck_assert_int_eq(affinity_resolve(&each, &topo, &cpuset, 6, &random, ret, NULL), 0);
        for (unsigned i = 0; i < 6; i++)
                ck_assert_uint_eq(cpus_nth(&ret[i], 0), 2 + i % 4);
        ck_assert_int_eq(affinity_resolve(&drawn, &topo, &cpuset, 6, &random, ret, NULL), 0);
        for (unsigned i = 0; i < 6; i++) {
                ck_assert_uint_eq(ktstr_cpus_count(&ret[i]), 2);
                ck_assert(cpus_within(&ret[i], &cpuset));
        }
}
END_TEST

START_TEST(an_affinity_that_leaves_no_cpu_is_refused)
{
        const struct ktstr_affinity outside = {.kind = KTSTR_AFFINITY_CPUS, .cpus = ktstr_cpuset_llc(1)},
                                    many = {.kind = KTSTR_AFFINITY_RANDOM, .count = 9};
        struct ktstr_cpus cpuset = parse("0-1"), ret[1];
        struct kt_error err = KT_ERROR_INIT;
        uint64_t random = 1;

        set_up();
        ck_assert_int_eq(affinity_resolve(&outside, &topo, &cpuset, 1, &random, ret, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "affinity: of the CPUs 4-7 none is in the cpuset 0-1");
        ck_assert_int_eq(affinity_resolve(&many, &topo, NULL, 1, &random, ret, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "affinity: 9 random CPUs of 7");
        kt_error_done(&err);
}
END_TEST

UNIT_MAIN("cpuset", lists_are_read_and_written, specs_mean_cpus_of_the_topology,
          fractions_are_whole_cpus_whatever_doubles_say, disjoint_parts_cover_what_is_usable,
          what_cannot_be_is_refused_word_for_word, sets_are_cut_and_gone_round,
          affinities_stay_within_the_cpuset, an_affinity_that_leaves_no_cpu_is_refused)
