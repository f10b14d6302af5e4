/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../daemon/placement.h"
#include "unit.h"

#define SETS_MAX 32

/* Of a host: what may be used, and what shares a cache and a core; each set ends at a blank. */
struct host {
        const char *cpus, *llcs, *cores;
};

static const struct host
        /* A laptop without SMT, a desktop with it and CPU n's sibling at n + 4, the same with neighbours. */
        plain = {"0-3", "0-3", "0 1 2 3"},
        smt = {"0-7", "0-7", "0,4 1,5 2,6 3,7"}, neighbours = {"0-7", "0-7", "0-1 2-3 4-5 6-7"},
        /* A server of four LLCs of two cores with two threads. */
        server = {"0-15", "0-3 4-7 8-11 12-15", "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15"},
        /* The same with some that are off, or not for us. */
        holes = {"1-3,5-6,8-11,13", "0-3 4-7 8-11 12-15", "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15"};

static unsigned parse_sets(const char *text, struct ktstr_cpus *ret)
{
        unsigned n = 0;
        char copy[256];

        snprintf(copy, sizeof(copy), "%s", text);
        for (char *save = NULL, *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
                ck_assert_uint_lt(n, SETS_MAX);
                ck_assert(ktstr_cpus_parse(one, &ret[n++]));
        }
        return n;
}

/* The CPUs of the vCPUs in their order, and behind a slash that of the rest; or why there are none. */
static const char *place(const struct host *host, const char *guest)
{
        struct ktstr_cpus llcs[SETS_MAX], cores[SETS_MAX];
        struct placement_host h = {.llcs = llcs, .cores = cores};
        struct kt_error err = KT_ERROR_INIT;
        static char text[1024];
        struct placement p;
        struct topology t;
        size_t len = 0;

        ck_assert(ktstr_cpus_parse(host->cpus, &h.cpus));
        h.n_llcs = parse_sets(host->llcs, llcs);
        h.n_cores = parse_sets(host->cores, cores);
        ck_assert_int_eq(topology_parse(guest, &t, NULL), 0);
        if (placement_make(&h, &t, &p, &err) < 0) {
                ck_assert_int_eq(err.num, -ENOSPC);
                snprintf(text, sizeof(text), "%s", kt_error_text(&err));
                kt_error_done(&err);
                return text;
        }
        ck_assert_uint_eq(p.n_vcpus, topology_cpus(&t));
        for (unsigned i = 0; i < p.n_vcpus; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%u ", p.vcpus[i]);
        snprintf(text + len, sizeof(text) - len, "/ %u", p.rest);
        return text;
}

START_TEST(each_vcpu_has_a_cpu_and_the_rest_has_one)
{
        ck_assert_str_eq(place(&plain, "1n1l1c1t"), "3 / 0");
        ck_assert_str_eq(place(&plain, "1n1l3c1t"), "1 2 3 / 0");
}
END_TEST

START_TEST(a_core_is_shared_only_where_it_has_to_be)
{
        /* One thread a core, and cores enough: a sibling of each is idle. */
        ck_assert_str_eq(place(&smt, "1n1l2c1t"), "2 3 / 0");
        ck_assert_str_eq(place(&neighbours, "1n1l3c1t"), "2 4 6 / 0");
        /* No core without vCPUs is left: the rest is on a sibling. */
        ck_assert_str_eq(place(&neighbours, "1n1l4c1t"), "0 2 4 6 / 1");
        /* Not enough of them. */
        ck_assert_str_eq(place(&neighbours, "1n1l5c1t"), "3 4 5 6 7 / 0");
        ck_assert_str_eq(place(&neighbours, "1n1l7c1t"), "1 2 3 4 5 6 7 / 0");
}
END_TEST

START_TEST(threads_of_a_core_are_threads_of_a_core)
{
        ck_assert_str_eq(place(&smt, "1n1l2c2t"), "2 6 3 7 / 0");
        ck_assert_str_eq(place(&neighbours, "1n1l3c2t"), "2 3 4 5 6 7 / 0");
        /* The host has no such cores: they are CPUs as well. */
        ck_assert_str_eq(place(&plain, "1n1l1c2t"), "2 3 / 0");
}
END_TEST

START_TEST(an_llc_is_on_an_llc)
{
        ck_assert_str_eq(place(&server, "1n1l2c2t"), "12 13 14 15 / 0");
        ck_assert_str_eq(place(&server, "1n2l2c1t"), "8 10 12 14 / 0");
        ck_assert_str_eq(place(&server, "2n4l1c1t"), "2 6 10 14 / 0");
        ck_assert_str_eq(place(&server, "2n4l1c2t"), "2 3 6 7 10 11 14 15 / 0");
        ck_assert_str_eq(place(&server, "1n4l3c1t"), "1 2 3 5 6 7 9 10 11 13 14 15 / 0");
}
END_TEST

START_TEST(what_may_not_be_used_is_not)
{
        ck_assert_str_eq(place(&holes, "1n1l3c1t"), "9 10 11 / 1");
        ck_assert_str_eq(place(&holes, "1n2l3c1t"), "1 2 3 9 10 11 / 5");
        ck_assert_str_eq(place(&holes, "1n3l2c1t"), "1 2 5 6 8 10 / 13");
        ck_assert_str_eq(place(&holes, "1n4l1c1t"), "2 6 10 13 / 1");
}
END_TEST

START_TEST(a_host_that_is_too_small_is_told)
{
        ck_assert_str_eq(
                place(&plain, "1n1l4c1t"),
                "performance mode wants 5 CPUs of the host, one for each of 4 vCPUs and one for the "
                "rest; it may use 4");
        ck_assert_str_eq(place(&(const struct host){"1", "0-1", "0 1"}, "1n1l1c1t"),
                         "performance mode wants 2 CPUs of the host, one for each of 1 vCPU and one for the "
                         "rest; it may use 1");
        ck_assert_str_eq(
                place(&smt, "1n2l1c1t"),
                "performance mode wants 2 LLCs of the host with 1 CPU each, one for each LLC of the "
                "guest; 1 has that many that it may use");
        ck_assert_str_eq(
                place(&server, "1n1l5c1t"),
                "performance mode wants 1 LLC of the host with 5 CPUs each, one for each LLC of the "
                "guest; 0 have that many that it may use");
        ck_assert_str_eq(place(&holes, "1n3l3c1t"),
                         "performance mode wants 3 LLCs of the host with 3 CPUs each, one for each LLC of "
                         "the guest; 2 have that many that it may use");
}
END_TEST

START_TEST(all_of_its_cpus_are_told)
{
        const struct placement p = {.n_vcpus = 3, .vcpus = {5, 6, 2}, .rest = 0};
        const struct ktstr_cpus cpus = placement_cpus(&p);
        char text[32];

        ck_assert_str_eq(ktstr_cpus_format(&cpus, text, sizeof(text)), "0,2,5-6");
}
END_TEST

UNIT_MAIN("placement", each_vcpu_has_a_cpu_and_the_rest_has_one, a_core_is_shared_only_where_it_has_to_be,
          threads_of_a_core_are_threads_of_a_core, an_llc_is_on_an_llc, what_may_not_be_used_is_not,
          a_host_that_is_too_small_is_told, all_of_its_cpus_are_told)
