/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The presets, which of them a test is for, and which this host can take. */

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/constraints.h"
#include "../../client/gauntlet.h"
#include "../../proto/codec.h"
#include "unit.h"

static unsigned count(const struct constraints *c)
{
        unsigned n = 0;

        for (const struct preset *p = presets; p->name; p++)
                n += constraints_accept(c, p);
        return n;
}

static struct constraints declared(const char *json)
{
        struct constraints c = constraints_default;
        struct json_object *o = json_tokener_parse(json);

        ck_assert_ptr_nonnull(o);
        constraints_merge(&c, o);
        json_object_put(o);
        return c;
}

START_TEST(there_are_24_and_14_without_threads)
{
        static const unsigned cpus[] = {4,   4,  9,  15,  14,  8,   12,  32, 64,  128, 128, 240,
                                        252, 32, 64, 128, 128, 240, 252, 16, 128, 128, 32,  192};
        unsigned n = 0, n_aarch64 = 0;

        for (const struct preset *p = presets; p->name; p++, n++) {
                ck_assert_msg(preset_cpus(p) == cpus[n], "%s: %u", p->name, preset_cpus(p));
                ck_assert_ptr_eq(preset_find(p->name), p);
                ck_assert_uint_eq(p->llcs % p->numa_nodes, 0);
                ck_assert(preset_on(p, "x86_64"));
                n_aarch64 += preset_on(p, "aarch64");
        }
        ck_assert_uint_eq(n, 24);
        ck_assert_uint_eq(n_aarch64, 14);
        ck_assert_str_eq(preset_find("numa4-12llc")->topology, "4n12l8c2t");
        ck_assert_ptr_null(preset_find("huge"));
}
END_TEST

START_TEST(memory_goes_with_the_cpus)
{
        ck_assert_uint_eq(preset_memory_mib(preset_find("max-cpu")), 16128);
        ck_assert_uint_eq(preset_memory_mib(preset_find("tiny-1llc")), 256);
        ck_assert_uint_eq(preset_memory_mib(preset_find("odd-3llc")), 576);
}
END_TEST

START_TEST(by_default_15_of_them_are_run)
{
        ck_assert_uint_eq(count(&constraints_default), 15);
}
END_TEST

START_TEST(two_llcs_and_smt_are_these_six)
{
        static const char *const names[] = {"smt-2llc",    "smt-3llc",   "medium-4llc",
                                            "medium-8llc", "large-4llc", "large-8llc"};
        const struct constraints c = declared("{\"min_llcs\": 2, \"requires_smt\": true}");
        unsigned n = 0;

        for (const struct preset *p = presets; p->name; p++)
                if (constraints_accept(&c, p))
                        ck_assert_str_eq(p->name, names[n++]);
        ck_assert_uint_eq(n, 6);
}
END_TEST

START_TEST(each_limit_counts_and_the_last_that_is_set)
{
        const struct {
                const char *json;
                unsigned n;
        } cases[] = {
                {"{}", 15},
                {"{\"max_llcs\": 1}", 1},
                {"{\"min_cpus\": 128}", 4},
                {"{\"max_cpus\": 4}", 2},
                {"{\"max_llcs\": 15}", 19 - 4},
                {"{\"max_llcs\": -1, \"max_cpus\": -1}", 19},
                {"{\"max_numa_nodes\": 4}", 20},
                {"{\"min_numa_nodes\": 2, \"max_numa_nodes\": 4}", 5},
                {"{\"max_numa_nodes\": -1, \"max_llcs\": -1, \"max_cpus\": -1}", 24},
                {"{\"min_llcs\": -1, \"requires_smt\": false}", 15},
        };
        struct constraints c;
        struct json_object *o;

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                c = declared(cases[i].json);
                ck_assert_msg(count(&c) == cases[i].n, "%s: %u", cases[i].json, count(&c));
        }
        c = declared("{\"min_llcs\": 2, \"requires_smt\": true}");
        o = json_tokener_parse("{\"requires_smt\": false}");
        constraints_merge(&c, o);
        json_object_put(o);
        constraints_merge(&c, NULL);
        ck_assert_uint_eq(count(&c), 14);
}
END_TEST

START_TEST(a_cell_is_named_by_test_and_preset)
{
        _cleanup_free_ char *one = gauntlet_name("split", "smt-2llc", NULL);
        _cleanup_free_ char *several = gauntlet_name("split", "smt-2llc", "kernel_6_14_2");

        ck_assert_str_eq(one, "gauntlet/split/smt-2llc");
        ck_assert_str_eq(several, "gauntlet/split/smt-2llc/kernel_6_14_2");
}
END_TEST

/* --- with a daemon that has two CPUs under tcg --- */

static void write_all(int fd, const char *text)
{
        ck_assert_int_eq(write(fd, text, strlen(text) + 1), (ssize_t)strlen(text) + 1);
}

/* Answers calls, which come one at a time and whole, until the other end goes away. */
static void serve(int fd)
{
        char call[1024];

        while (read(fd, call, sizeof(call)) > 0)
                if (strstr(call, "1n14l"))
                        write_all(fd, "{\"error\":\"io.ktstrd.Job.BadTopology\",\"parameters\":{\"message\":"
                                      "\"too many\"}}");
                else if (strstr(call, "\"kvm\""))
                        write_all(fd, "{\"error\":\"io.ktstrd.Job.AcceleratorUnusable\",\"parameters\":{"
                                      "\"message\":\"no kvm\"}}");
                else
                        write_all(fd, "{\"parameters\":{\"cpus\":16,\"memory_mib\":1000}}");
}

static int ask(struct gauntlet *g, const char *accel, struct kt_error *reterr)
{
        struct rpc rpc;
        int fds[2], r;
        pid_t pid;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        pid = fork();
        if (pid == 0) {
                close(fds[0]);
                serve(fds[1]);
                _exit(0);
        }
        close(fds[1]);
        ck_assert_int_eq(rpc_init(&rpc, fds[0], NULL), 0);
        r = gauntlet_ask(g, &rpc, accel, reterr);
        rpc_done(&rpc);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        return r;
}

static void assert_why(const struct gauntlet *g, const char *preset, unsigned memory_mib, const char *text)
{
        _cleanup_free_ char *why = gauntlet_why_not(g, preset_find(preset), memory_mib);

        if (!text)
                ck_assert_msg(!why, "%s", why);
        else
                ck_assert_msg(why && strstr(why, text), "%s: %s", preset, why);
}

START_TEST(what_is_too_large_is_said_with_why)
{
        struct gauntlet g;

        ck_assert_int_eq(ask(&g, NULL, NULL), 0);
        assert_why(&g, "numa2-4llc", 0, "numa2-4llc wants 1024 MiB, guests have at most 1000 MiB here");
        assert_why(&g, "odd-5llc", 0, NULL);
        assert_why(&g, "odd-5llc", 1000, NULL);
        assert_why(&g, "odd-5llc", 1001, "wants 1001 MiB");
        assert_why(&g, "max-cpu", 0, "too many");
        for (size_t i = 0; i < PRESETS_MAX; i++)
                g.rooms[i].memory_mib = 1 << 20;
        assert_why(&g, "numa2-4llc", 0, NULL);
        assert_why(&g, "medium-4llc", 0, "medium-4llc has 32 CPUs, guests have 16 at a time here");
        gauntlet_done(&g);
}
END_TEST

START_TEST(by_force_a_guest_has_the_memory_that_there_is)
{
        struct gauntlet g;

        ck_assert_int_eq(ask(&g, NULL, NULL), 0);
        ck_assert_uint_eq(gauntlet_memory_mib(&g, preset_find("tiny-1llc"), 0), 256);
        ck_assert_uint_eq(gauntlet_memory_mib(&g, preset_find("tiny-1llc"), 512), 512);
        ck_assert_uint_eq(gauntlet_memory_mib(&g, preset_find("tiny-1llc"), 2000), 1000);
        ck_assert_uint_eq(gauntlet_memory_mib(&g, preset_find("large-4llc"), 0), 1000);
        /* Refused for its topology: nothing is known of the memory. */
        ck_assert_uint_eq(gauntlet_memory_mib(&g, preset_find("max-cpu"), 0), 16128);
        gauntlet_done(&g);
}
END_TEST

START_TEST(a_call_that_fails_is_an_error)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct gauntlet g;

        ck_assert_int_lt(ask(&g, "kvm", &err), 0);
        ck_assert_str_eq(kt_error_text(&err), "no kvm");
        gauntlet_done(&g);
}
END_TEST

UNIT_MAIN("gauntlet", there_are_24_and_14_without_threads, memory_goes_with_the_cpus,
          by_default_15_of_them_are_run, two_llcs_and_smt_are_these_six,
          each_limit_counts_and_the_last_that_is_set, a_cell_is_named_by_test_and_preset,
          what_is_too_large_is_said_with_why, by_force_a_guest_has_the_memory_that_there_is,
          a_call_that_fails_is_an_error)
