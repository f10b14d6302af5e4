/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../daemon/build_scope.h"
#include "unit.h"

/* A user's systemd as far as one can see it from outside, and a systemd-run if wanted. */
static void make_place(const struct unit_dir *dir, bool has_manager, bool has_program)
{
        _cleanup_free_ char *program = kt_path_join(dir->path, "systemd-run"),
                            *manager = kt_path_join(dir->path, "systemd");

        ck_assert_int_eq(mkdir(manager, 0755), 0);
        if (has_manager)
                ck_assert_int_eq(kt_replace_file(dir->fd, "systemd/private", "", 0, 0644), 0);
        if (has_program)
                ck_assert_int_eq(kt_replace_file(dir->fd, "systemd-run", "#!/bin/sh\n", 10, 0755), 0);
        setenv("XDG_RUNTIME_DIR", dir->path, 1);
        setenv("PATH", dir->path, 1);
}

START_TEST(the_words_of_a_scope)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(build_scope_done) struct build_scope s = {};
        static const char *const words[] = {
                "--user", "--scope",        "--quiet", "--collect",     "--unit=ktstrd-build-abc.scope",
                "-p",     "CPUWeight=idle", "-p",      "CPUQuota=300%", "--"};

        make_place(&dir, true, true);
        ck_assert_int_eq(build_scope_find("abc", true, 75, 4, &s), 0);
        ck_assert_ptr_nonnull(s.prefix);
        ck_assert_ptr_nonnull(strstr(s.prefix[0], "/systemd-run"));
        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                ck_assert_str_eq(s.prefix[i + 1], words[i]);
        ck_assert_ptr_null(s.prefix[KT_ARRAY_SIZE(words) + 1]);
        ck_assert(s.user);
        ck_assert_ptr_null(s.why);
}
END_TEST

START_TEST(without_a_manager_there_is_none)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(build_scope_done) struct build_scope s = {};

        make_place(&dir, false, true);
        /* That of the machine is for root's daemon, and whether there is one is not ours to say here. */
        if (geteuid() == 0 && access("/run/systemd/system", F_OK) == 0)
                return;
        ck_assert_int_eq(build_scope_find("abc", true, 75, 4, &s), 0);
        ck_assert_ptr_null(s.prefix);
        ck_assert_str_eq(s.why, "no systemd here");
        build_scope_kill(&s);
}
END_TEST

START_TEST(without_its_program_there_is_none)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(build_scope_done) struct build_scope s = {};

        make_place(&dir, true, false);
        ck_assert_int_eq(build_scope_find("abc", true, 75, 4, &s), 0);
        ck_assert_ptr_null(s.prefix);
        ck_assert_str_eq(s.why, "no systemd-run here");
}
END_TEST

START_TEST(make_has_a_process_for_each_cpu_of_its_part)
{
        ck_assert_uint_eq(build_scope_jobs(75, 4), 3);
        ck_assert_uint_eq(build_scope_jobs(75, 2), 2);
        ck_assert_uint_eq(build_scope_jobs(50, 3), 2);
        ck_assert_uint_eq(build_scope_jobs(1, 1), 1);
        ck_assert_uint_eq(build_scope_jobs(100, 64), 64);
}
END_TEST

UNIT_MAIN("build_scope", the_words_of_a_scope, without_a_manager_there_is_none,
          without_its_program_there_is_none, make_has_a_process_for_each_cpu_of_its_part)
