/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../lib/body/pages.h"
#include "../../lib/body/topo.h"
#include "unit.h"

static void put(const struct unit_dir *dir, const char *name, const char *text)
{
        _cleanup_free_ char *path = kt_format("devices/system/%s", name), *folder = strdup(path);
        _cleanup_free_ char *whole = kt_path_join(dir->path, path);

        *strrchr(folder, '/') = '\0';
        ck_assert_int_eq(kt_mkdir_p(dir->fd, folder, 0755), 0);
        ck_assert_int_eq(kt_replace_file(AT_FDCWD, whole, text, strlen(text), 0644), 0);
}

static void put_of_cpu(const struct unit_dir *dir, unsigned cpu, const char *name, const char *text)
{
        _cleanup_free_ char *path = kt_format("cpu/cpu%u/%s", cpu, name);

        put(dir, path, text);
}

static void put_cache(const struct unit_dir *dir, unsigned cpu, unsigned index, const char *level,
                      const char *type, const char *shared)
{
        const struct {
                const char *name, *text;
        } files[] = {{"level", level}, {"type", type}, {"shared_cpu_list", shared}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++) {
                _cleanup_free_ char *name = kt_format("cache/index%u/%s", index, files[i].name);

                put_of_cpu(dir, cpu, name, files[i].text);
        }
}

static const char *format(const struct ktstr_cpus *set)
{
        static char text[128];

        return ktstr_cpus_format(set, text, sizeof(text));
}

/* Eight CPUs, two threads a core, two LLCs on a node each, and a node of memory alone. */
static void make_machine(const struct unit_dir *dir)
{
        static const char *const pairs[] = {"0-1\n", "2-3\n", "4-5\n", "6-7\n"};

        put(dir, "cpu/online", "0-7\n");
        for (unsigned cpu = 0; cpu < 8; cpu++) {
                put_of_cpu(dir, cpu, "topology/thread_siblings_list", pairs[cpu / 2]);
                put_cache(dir, cpu, 0, "1\n", "Data\n", pairs[cpu / 2]);
                put_cache(dir, cpu, 1, "1\n", "Instruction\n", pairs[cpu / 2]);
                put_cache(dir, cpu, 2, "3\n", "Unified\n", cpu < 4 ? "0-3\n" : "4-7\n");
                put_cache(dir, cpu, 3, "2\n", "Unified\n", pairs[cpu / 2]);
        }
        put(dir, "node/online", "0-2\n");
        put(dir, "node/node0/cpulist", "0-3\n");
        put(dir, "node/node1/cpulist", "4-7\n");
        put(dir, "node/node2/cpulist", "\n");
}

START_TEST(a_machine_is_read_from_sysfs)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct ktstr_cpus some = {}, nodes;
        struct ktstr_topo t;

        make_machine(&dir);
        ck_assert_int_eq(topo_read(dir.path, &t, NULL), 0);
        ck_assert_str_eq(format(&t.all), "0-7");
        ck_assert_str_eq(format(&t.usable), "0-6");
        ck_assert_uint_eq(t.threads, 2);
        ck_assert_uint_eq(t.n_llcs, 2);
        ck_assert_str_eq(format(&t.llcs[0]), "0-3");
        ck_assert_str_eq(format(&t.llcs[1]), "4-7");
        ck_assert_uint_eq(t.n_nodes, 3);
        ck_assert_str_eq(format(&t.nodes[1]), "4-7");
        ck_assert_uint_eq(ktstr_cpus_count(&t.nodes[2]), 0);
        ktstr_cpus_add(&some, 5);
        nodes = topo_nodes_of(&t, &some);
        ck_assert_str_eq(format(&nodes), "1");
        topo_done(&t);
}
END_TEST

START_TEST(cores_are_those_that_share_one)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct ktstr_cpus *cores, cpus;
        unsigned n;

        make_machine(&dir);
        /* One of a pair is not to be had, and of one sysfs does not tell. */
        ck_assert(ktstr_cpus_parse("0-2,4-5,9", &cpus));
        ck_assert_int_eq(topo_read_cores(dir.path, &cpus, &cores, &n), 0);
        ck_assert_uint_eq(n, 4);
        ck_assert_str_eq(format(&cores[0]), "0-1");
        ck_assert_str_eq(format(&cores[1]), "2");
        ck_assert_str_eq(format(&cores[2]), "4-5");
        ck_assert_str_eq(format(&cores[3]), "9");
        free(cores);
}
END_TEST

START_TEST(without_caches_a_node_is_an_llc)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct ktstr_topo t;

        put(&dir, "cpu/online", "0-3\n");
        put(&dir, "node/online", "0-1\n");
        put(&dir, "node/node0/cpulist", "0-1\n");
        put(&dir, "node/node1/cpulist", "2-3\n");
        ck_assert_int_eq(topo_read(dir.path, &t, NULL), 0);
        ck_assert_uint_eq(t.n_llcs, 2);
        ck_assert_str_eq(format(&t.llcs[1]), "2-3");
        ck_assert_uint_eq(t.threads, 1);
        topo_done(&t);
}
END_TEST

START_TEST(two_cpus_are_both_usable)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct ktstr_topo t;

        put(&dir, "cpu/online", "0-1\n");
        ck_assert_int_eq(topo_read(dir.path, &t, NULL), 0);
        ck_assert_str_eq(format(&t.usable), "0-1");
        ck_assert_uint_eq(t.n_nodes, 1);
        ck_assert_uint_eq(t.n_llcs, 1);
        topo_done(&t);
}
END_TEST

START_TEST(a_sysfs_without_cpus_is_told)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct kt_error err = KT_ERROR_INIT;
        struct ktstr_topo t;

        ck_assert_int_eq(topo_read(dir.path, &t, &err), -ENODEV);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "cpu/online has no list of CPUs"));
        kt_error_done(&err);
}
END_TEST

/* A machine of which node 0 is the cgroup's and node 2 has no CPUs. */
static struct kt_pages taken(const char *before, const char *now)
{
        struct ktstr_cpus nodes[3] = {}, mine = {};
        const struct ktstr_topo t = {.n_nodes = 3, .nodes = nodes};
        const struct pages_by_node b = pages_parse(before), n = pages_parse(now);
        struct kt_pages p = {};

        ktstr_cpus_add(&nodes[0], 0);
        ktstr_cpus_add(&nodes[1], 1);
        ktstr_cpus_add(&mine, 0);
        pages_add_taken(&b, &n, &t, &mine, &p);
        return p;
}

START_TEST(pages_are_counted_by_node)
{
        const struct kt_pages p = taken("", "55d0 default file=/x mapped=3 N0=3 kernelpagesize_kB=4\n"
                                            "7ff0 default anon=6 dirty=6 N0=2 N1=4 kernelpagesize_kB=4\n"
                                            "7ff8 bind:2 huge anon=1 N2=1 kernelpagesize_kB=2048\n"
                                            "7ff9 default\n");

        ck_assert_uint_eq(p.total, 3 + 2 + 4 + 512);
        ck_assert_uint_eq(p.local, 5);
        ck_assert_uint_eq(p.slow, 512);
}
END_TEST

/* Two nodes of which one lies behind a gap, as when others were never there; and one of memory alone. */
START_TEST(nodes_with_gaps_are_numbered_in_their_order)
{
        static const char maps[] = "7ff0 default anon=6 N0=2 N2=4 N5=8 kernelpagesize_kB=4\n";
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct ktstr_cpus some = {}, nodes, ids;
        struct pages_by_node none = {}, now;
        struct kt_pages p = {};
        struct ktstr_topo t;

        put(&dir, "cpu/online", "0-3\n");
        put(&dir, "node/online", "0,2,5\n");
        put(&dir, "node/node0/cpulist", "0-1\n");
        put(&dir, "node/node2/cpulist", "2-3\n");
        put(&dir, "node/node5/cpulist", "\n");
        ck_assert_int_eq(topo_read(dir.path, &t, NULL), 0);
        ck_assert_uint_eq(t.n_nodes, 3);
        ck_assert_str_eq(format(&t.nodes[1]), "2-3");
        ck_assert_uint_eq(t.node_ids[1], 2);
        ktstr_cpus_add(&some, 3);
        nodes = topo_nodes_of(&t, &some);
        ck_assert_str_eq(format(&nodes), "1");
        ktstr_cpus_add(&nodes, 2);
        ids = topo_to_kernel(&t, &nodes);
        ck_assert_str_eq(format(&ids), "2,5");
        ck_assert_uint_eq(topo_from_kernel(&t, 5), 2);
        ck_assert_uint_eq(topo_from_kernel(&t, 1), t.n_nodes);
        nodes = topo_nodes_of(&t, &some);
        now = pages_parse(maps);
        pages_add_taken(&none, &now, &t, &nodes, &p);
        ck_assert_uint_eq(p.total, 14);
        ck_assert_uint_eq(p.local, 4);
        ck_assert_uint_eq(p.slow, 8);
        topo_done(&t);
}
END_TEST

#define LIBC "7f00 default file=/lib/libc.so.6 mapped=300 mapmax=40 N1=300 kernelpagesize_kB=4\n"

START_TEST(what_others_have_too_is_not_its_own)
{
        /* A page of its copy was written to, and is on the other node now; and more of libc was mapped. */
        const struct kt_pages p =
                taken(LIBC "55d0 default heap anon=9 dirty=9 mapmax=2 N1=9 kernelpagesize_kB=4\n",
                      LIBC "7e00 default file=/lib/libm.so.6 mapped=99 mapmax=3 N1=99 kernelpagesize_kB=4\n"
                           "55d0 default heap anon=9 dirty=9 mapmax=2 N0=1 N1=8 kernelpagesize_kB=4\n"
                           "7ff0 default anon=6 dirty=6 N0=6 kernelpagesize_kB=4\n");

        ck_assert_uint_eq(p.total, 7);
        ck_assert_uint_eq(p.local, 7);
        ck_assert_uint_eq(p.slow, 0);
}
END_TEST

UNIT_MAIN("topo", nodes_with_gaps_are_numbered_in_their_order, a_machine_is_read_from_sysfs,
          cores_are_those_that_share_one, without_caches_a_node_is_an_llc, two_cpus_are_both_usable,
          a_sysfs_without_cpus_is_told, pages_are_counted_by_node, what_others_have_too_is_not_its_own)
