/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a scheduler is looked for, and in which order. Each test is a process of its own: folder and
 * environment are its. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../client/sched_lookup.h"
#include "../../proto/errors.h"
#include "unit.h"

/* We stand in a folder of our own, with a bin/ on the PATH and no variable set. */
static struct unit_dir stand(void)
{
        struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_format("/nonexistent:%s/bin::%s/bin2", dir.path, dir.path);

        ck_assert_int_eq(chdir(dir.path), 0);
        ck_assert_int_eq(setenv("PATH", path, 1), 0);
        unsetenv("KTSTR_SCHEDULER");
        unsetenv("KTSTR_SCHEDULER_BIN_SCX_FOO");
        return dir;
}

static void program(const char *path, mode_t mode)
{
        _cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, folder, 0755), 0);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fchmod(fd, mode), 0);
}

/* What scx_foo leads to ends so. */
static void assert_found(const char *name, const char *end)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *found = NULL;
        size_t len = strlen(end);

        ck_assert_msg(sched_lookup(name, &found, &err) == 0, "%s: %s", name, kt_error_text(&err));
        ck_assert_msg(strlen(found) >= len && strcmp(found + strlen(found) - len, end) == 0, "%s, not %s",
                      found, end);
}

START_TEST(each_place_gives_way_to_the_one_before)
{
        _unit_dir_ struct unit_dir dir = stand();

        program("./target/debug/scx_foo", 0755);
        assert_found("scx_foo", "./target/debug/scx_foo");
        program("./target/release/scx_foo", 0755);
        assert_found("scx_foo", "./target/release/scx_foo");
        program("./build/tools/scx_foo", 0755);
        assert_found("scx_foo", "./build/tools/scx_foo");
        program("./build/scheds/scx_foo", 0755);
        assert_found("scx_foo", "./build/scheds/scx_foo");
        program("./build/scx_foo", 0755);
        assert_found("scx_foo", "./build/scx_foo");
        program("./bin2/scx_foo", 0755);
        assert_found("scx_foo", "/bin2/scx_foo");
        program("./bin/scx_foo", 0755);
        assert_found("scx_foo", "/bin/scx_foo");
        program("./any/other", 0755);
        setenv("KTSTR_SCHEDULER", "./any/other", 1);
        assert_found("scx_foo", "./any/other");
        program("./its/own", 0755);
        setenv("KTSTR_SCHEDULER_BIN_SCX_FOO", "./its/own", 1);
        assert_found("scx_foo", "./its/own");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(the_variable_is_named_by_letters_and_digits)
{
        _unit_dir_ struct unit_dir dir = stand();

        program("./its/own", 0755);
        setenv("KTSTR_SCHEDULER_BIN_SCX_MY_2ND_SCHED", "./its/own", 1);
        assert_found("scx-my.2nd_sched", "./its/own");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(what_cannot_be_run_is_passed_over)
{
        _unit_dir_ struct unit_dir dir = stand();

        program("./bin/scx_foo", 0644);
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, "./build/scx_foo", 0755), 0);
        program("./build/.hidden/scx_foo", 0755);
        program("./target/debug/scx_foo", 0755);
        assert_found("scx_foo", "./target/debug/scx_foo");
        /* A folder of its name may still be the one that it is in. */
        program("./build/scx_foo/scx_foo", 0755);
        assert_found("scx_foo", "./build/scx_foo/scx_foo");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_path_is_taken_as_it_is)
{
        _unit_dir_ struct unit_dir dir = stand();

        setenv("KTSTR_SCHEDULER", "/bin/true", 1);
        assert_found("./scx_foo", "./scx_foo");
        assert_found("/nonexistent/scx_foo", "/nonexistent/scx_foo");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_variable_that_names_nothing_is_an_error)
{
        static const char *const variables[] = {"KTSTR_SCHEDULER", "KTSTR_SCHEDULER_BIN_SCX_FOO"};
        _unit_dir_ struct unit_dir dir = stand();

        program("./bin/scx_foo", 0755);
        for (size_t i = 0; i < KT_ARRAY_SIZE(variables); i++) {
                struct kt_error err = KT_ERROR_INIT;
                char *found = NULL;

                setenv(variables[i], "/nonexistent/scx_bar", 1);
                ck_assert_int_eq(sched_lookup("scx_foo", &found, &err), -ENOENT);
                ck_assert_ptr_null(found);
                ck_assert_str_eq(err.name, KT_E_BAD_SCHEDULER);
                ck_assert_ptr_nonnull(strstr(err.message, variables[i]));
                ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/scx_bar"));
                kt_error_done(&err);
                setenv(variables[i], "", 1);
                assert_found("scx_foo", "/bin/scx_foo");
        }
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(where_it_was_looked_for_is_told)
{
        _unit_dir_ struct unit_dir dir = stand();
        struct kt_error err = KT_ERROR_INIT;
        char *found = NULL;

        ck_assert_int_eq(sched_lookup("scx_foo", &found, &err), -ENOENT);
        ck_assert_ptr_null(found);
        ck_assert_str_eq(err.name, KT_E_BAD_SCHEDULER);
        for (size_t i = 0; i < 6; i++) {
                static const char *const words[] = {"'scx_foo'",        "KTSTR_SCHEDULER_BIN_SCX_FOO",
                                                    "KTSTR_SCHEDULER,", "PATH",
                                                    "./build",          "./target/release"};
                ck_assert_msg(strstr(err.message, words[i]) != NULL, "%s is not in: %s", words[i],
                              err.message);
        }
        kt_error_done(&err);
        ck_assert_int_eq(unsetenv("PATH"), 0);
        ck_assert_int_eq(sched_lookup("", &found, NULL), -ENOENT);
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

UNIT_MAIN("sched_lookup", each_place_gives_way_to_the_one_before,
          the_variable_is_named_by_letters_and_digits, what_cannot_be_run_is_passed_over,
          a_path_is_taken_as_it_is, a_variable_that_names_nothing_is_an_error,
          where_it_was_looked_for_is_told)
