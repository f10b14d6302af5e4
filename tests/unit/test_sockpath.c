/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../../common/sockpath.h"
#include "unit.h"

/* Each test is a process of its own, so that its environment is too. */
static void clear_environment(void)
{
        unsetenv("KTSTR_CACHE_DIR");
        unsetenv("XDG_CACHE_HOME");
        unsetenv("XDG_STATE_HOME");
        unsetenv("XDG_RUNTIME_DIR");
        setenv("HOME", "/home/someone", 1);
}

static void expect_cache_dir(const char *expected)
{
        _cleanup_free_ char *dir = NULL;

        ck_assert_int_eq(kt_cache_dir(&dir, NULL), 0);
        ck_assert_str_eq(dir, expected);
}

static void expect_state_dir(const char *expected)
{
        _cleanup_free_ char *dir = NULL;

        ck_assert_int_eq(kt_state_dir(&dir, NULL), 0);
        ck_assert_str_eq(dir, expected);
}

START_TEST(cache_dir_takes_the_most_particular)
{
        clear_environment();
        expect_cache_dir("/home/someone/.cache/ktstr/kernels");
        setenv("XDG_CACHE_HOME", "relative/is/unset", 1);
        expect_cache_dir("/home/someone/.cache/ktstr/kernels");
        setenv("XDG_CACHE_HOME", "/xdg/", 1);
        expect_cache_dir("/xdg/ktstr/kernels");
        setenv("KTSTR_CACHE_DIR", "", 1);
        expect_cache_dir("/xdg/ktstr/kernels");
        setenv("KTSTR_CACHE_DIR", "/given", 1);
        expect_cache_dir("/given");
}
END_TEST

START_TEST(home_that_is_no_home_is_refused)
{
        static const char *const homes[] = {NULL, "", "/", "//", "relative"};

        clear_environment();
        for (size_t i = 0; i < KT_ARRAY_SIZE(homes); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                _cleanup_free_ char *dir = NULL;

                if (homes[i])
                        setenv("HOME", homes[i], 1);
                else
                        unsetenv("HOME");
                ck_assert_int_eq(kt_cache_dir(&dir, &err), -EINVAL);
                ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "KTSTR_CACHE_DIR"));
                ck_assert_ptr_null(dir);
        }
}
END_TEST

START_TEST(state_dir_follows_xdg)
{
        clear_environment();
        expect_state_dir("/home/someone/.local/state/ktstr");
        setenv("XDG_STATE_HOME", "/xdg", 1);
        expect_state_dir("/xdg/ktstr");
}
END_TEST

START_TEST(runtime_dir_is_created_private_only_when_asked)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = NULL, *again = NULL, *expected = kt_path_join(dir.path, "ktstrd");
        struct stat st;

        clear_environment();
        setenv("XDG_RUNTIME_DIR", dir.path, 1);
        ck_assert_int_eq(kt_user_runtime_dir(false, &path, NULL), 0);
        ck_assert_str_eq(path, expected);
        ck_assert_int_lt(stat(path, &st), 0);

        umask(0);
        ck_assert_int_eq(kt_user_runtime_dir(true, &again, NULL), 0);
        ck_assert_str_eq(again, expected);
        ck_assert_int_eq(stat(again, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(each_cache_has_a_runtime_dir_of_its_own)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *plain = NULL, *one = NULL, *two = NULL, *one_again = NULL;

        clear_environment();
        setenv("XDG_RUNTIME_DIR", dir.path, 1);
        ck_assert_int_eq(kt_user_runtime_dir(true, &plain, NULL), 0);
        setenv("KTSTR_CACHE_DIR", "/one", 1);
        ck_assert_int_eq(kt_user_runtime_dir(true, &one, NULL), 0);
        ck_assert_int_eq(kt_user_runtime_dir(true, &one_again, NULL), 0);
        setenv("KTSTR_CACHE_DIR", "/two", 1);
        ck_assert_int_eq(kt_user_runtime_dir(true, &two, NULL), 0);

        ck_assert_str_eq(one, one_again);
        ck_assert_str_ne(one, two);
        ck_assert(strncmp(one, plain, strlen(plain)) == 0);
        /* printf %s /one | sha256sum */
        ck_assert_str_eq(one + strlen(plain), "/1e1d1696");
        ck_assert_int_eq(access(one, F_OK), 0);
}
END_TEST

static void expect_refused(const char *why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *path = NULL;

        ck_assert_int_eq(kt_user_runtime_dir(true, &path, &err), -EPERM);
        ck_assert_msg(strstr(kt_error_text(&err), why) != NULL, "%s", kt_error_text(&err));
        ck_assert_int_eq(kt_user_runtime_dir(false, &path, NULL), -EPERM);
        ck_assert_ptr_null(path);
}

START_TEST(runtime_dir_that_is_not_private_is_refused)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        clear_environment();
        setenv("XDG_RUNTIME_DIR", dir.path, 1);

        ck_assert_int_eq(mkdirat(dir.fd, "ktstrd", 0755), 0);
        ck_assert_int_eq(fchmodat(dir.fd, "ktstrd", 0750, 0), 0);
        expect_refused("chmod 700");
        ck_assert_int_eq(unlinkat(dir.fd, "ktstrd", AT_REMOVEDIR), 0);

        ck_assert_int_eq(mkdirat(dir.fd, "real", 0700), 0);
        ck_assert_int_eq(symlinkat("real", dir.fd, "ktstrd"), 0);
        expect_refused("not a folder");
        ck_assert_int_eq(unlinkat(dir.fd, "ktstrd", 0), 0);

        /* Only root can make a folder that is somebody else's. */
        if (geteuid() == 0) {
                ck_assert_int_eq(mkdirat(dir.fd, "ktstrd", 0700), 0);
                ck_assert_int_eq(fchownat(dir.fd, "ktstrd", 12345, (gid_t)-1, 0), 0);
                expect_refused("belongs to uid 12345");
        }
}
END_TEST

static int listen_at(const char *path, int backlog)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        strcpy(addr.sun_path, path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        ck_assert_int_eq(listen(fd, backlog), 0);
        return fd;
}

START_TEST(socket_is_alive_while_somebody_listens)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "s");
        char too_long[200];
        int fd;

        ck_assert(!kt_socket_alive(path));
        fd = listen_at(path, 4);
        ck_assert(kt_socket_alive(path));
        close(fd);
        ck_assert(!kt_socket_alive(path));
        memset(too_long, 'x', sizeof(too_long) - 1);
        too_long[sizeof(too_long) - 1] = '\0';
        ck_assert(!kt_socket_alive(too_long));
}
END_TEST

START_TEST(socket_with_a_full_backlog_is_alive)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "s");
        int fd = listen_at(path, 0), held[8];

        for (size_t i = 0; i < KT_ARRAY_SIZE(held); i++) {
                struct sockaddr_un addr = {.sun_family = AF_UNIX};

                strcpy(addr.sun_path, path);
                held[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (connect(held[i], (struct sockaddr *)&addr, sizeof(addr)) < 0)
                        ck_assert_int_eq(errno, EAGAIN);
        }
        ck_assert(kt_socket_alive(path));
        for (size_t i = 0; i < KT_ARRAY_SIZE(held); i++)
                close(held[i]);
        close(fd);
}
END_TEST

UNIT_MAIN("sockpath", cache_dir_takes_the_most_particular, home_that_is_no_home_is_refused,
          state_dir_follows_xdg, runtime_dir_is_created_private_only_when_asked,
          each_cache_has_a_runtime_dir_of_its_own, runtime_dir_that_is_not_private_is_refused,
          socket_is_alive_while_somebody_listens, socket_with_a_full_backlog_is_alive)
