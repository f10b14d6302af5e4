/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"

static void put(int dir_fd, const char *name, const char *text)
{
        ck_assert_int_eq(kt_publish_file(dir_fd, name, text, strlen(text), 0644), 0);
}

static char *get(int dir_fd, const char *name)
{
        char *text = NULL;

        ck_assert_int_eq(kt_read_file(dir_fd, name, 1 << 20, &text, NULL), 0);
        return text;
}

static size_t count_entries(const char *path)
{
        _cleanup_closedir_ DIR *d = opendir(path);
        size_t n = 0;

        ck_assert_ptr_nonnull(d);
        while (readdir(d))
                n++;
        return n - 2;
}

START_TEST(mkdir_p_makes_all_and_is_content_with_what_is_there)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *absolute = kt_path_join(dir.path, "x//y/");
        struct stat st;

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "a/b/c", 0700), 0);
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "a/b/c", 0700), 0);
        ck_assert_int_eq(fstatat(dir.fd, "a/b/c", &st, 0), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, absolute, 0755), 0);
        put(dir.fd, "file", "");
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "file", 0700), -ENOTDIR);
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "file/below", 0700), -ENOTDIR);
}
END_TEST

START_TEST(read_file_ends_with_nul_and_keeps_to_its_limit)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text = NULL, *big = NULL;
        size_t size = 0;

        put(dir.fd, "f", "12345");
        ck_assert_int_eq(kt_read_file(dir.fd, "f", 4, &text, &size), -EFBIG);
        ck_assert_ptr_null(text);
        ck_assert_int_eq(kt_read_file(dir.fd, "f", 5, &text, &size), 0);
        ck_assert_uint_eq(size, 5);
        ck_assert_str_eq(text, "12345");

        big = calloc(1, 100001);
        memset(big, 'x', 100000);
        put(dir.fd, "big", big);
        free(text);
        text = NULL;
        ck_assert_int_eq(kt_read_file(dir.fd, "big", 100000, &text, &size), 0);
        ck_assert_uint_eq(size, 100000);
        ck_assert_int_eq(text[100000], '\0');
}
END_TEST

START_TEST(read_file_reads_proc_and_refuses_what_is_no_file)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &size), 0);
        ck_assert_uint_gt(size, 100);
        ck_assert_int_eq(mkfifoat(dir.fd, "fifo", 0600), 0);
        ck_assert_int_eq(kt_read_file(dir.fd, "fifo", 10, &text, &size), -EINVAL);
        ck_assert_int_eq(kt_read_file(dir.fd, ".", 10, &text, &size), -EISDIR);
        ck_assert_int_eq(kt_read_file(dir.fd, "none", 10, &text, &size), -ENOENT);
}
END_TEST

START_TEST(read_all_tells_a_short_file)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_close_ int fd = -1;
        char buf[8];

        put(dir.fd, "f", "1234567");
        fd = openat(dir.fd, "f", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(kt_read_all(fd, buf, 7), 0);
        ck_assert_mem_eq(buf, "1234567", 7);
        ck_assert_int_eq(kt_read_all(fd, buf, 1), -ENODATA);
        ck_assert_int_eq(kt_pwrite_all(fd, "ab", 2, 3), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        ck_assert_int_eq(kt_read_all(fd, buf, 7), 0);
        ck_assert_mem_eq(buf, "123ab67", 7);
}
END_TEST

START_TEST(publish_replaces_with_the_mode_asked_for)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text = NULL;
        struct stat st;

        umask(077);
        put(dir.fd, "f", "old");
        put(dir.fd, "f", "new and longer");
        text = get(dir.fd, "f");
        ck_assert_str_eq(text, "new and longer");
        ck_assert_int_eq(fstatat(dir.fd, "f", &st, 0), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0644);
        ck_assert_uint_eq(count_entries(dir.path), 1);
}
END_TEST

START_TEST(failed_publish_leaves_the_old_and_no_temp_file)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct rlimit small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
        _cleanup_free_ char *text = NULL;
        static char data[8192];

        put(dir.fd, "f", "old");
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        ck_assert_int_eq(kt_publish_file(dir.fd, "f", data, sizeof(data), 0644), -EFBIG);
        text = get(dir.fd, "f");
        ck_assert_str_eq(text, "old");
        ck_assert_uint_eq(count_entries(dir.path), 1);

        /* The rename is what fails. */
        ck_assert_int_eq(mkdirat(dir.fd, "d", 0700), 0);
        ck_assert_int_lt(kt_publish_file(dir.fd, "d", "x", 1, 0644), 0);
        ck_assert_uint_eq(count_entries(dir.path), 2);
}
END_TEST

START_TEST(copy_starts_where_the_offset_stands)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_close_ int in = -1, out = -1;
        _cleanup_free_ char *text = NULL;
        uint64_t n = 0;

        put(dir.fd, "in", "0123456789");
        in = openat(dir.fd, "in", O_RDONLY | O_CLOEXEC);
        out = openat(dir.fd, "out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(lseek(in, 4, SEEK_SET), 4);
        ck_assert_int_eq(kt_copy_fd(in, out, UINT64_MAX, &n), 0);
        ck_assert_uint_eq(n, 6);
        text = get(dir.fd, "out");
        ck_assert_str_eq(text, "456789");
}
END_TEST

START_TEST(copy_goes_to_pipes_and_comes_from_proc)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_close_ int in = -1, out = -1, proc = -1, proc_out = -1;
        uint64_t n = 0;
        char buf[4];
        int fds[2];

        put(dir.fd, "in", "pipe");
        in = openat(dir.fd, "in", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(kt_copy_fd(in, fds[1], UINT64_MAX, &n), 0);
        ck_assert_uint_eq(n, 4);
        ck_assert_int_eq(kt_read_all(fds[0], buf, 4), 0);
        ck_assert_mem_eq(buf, "pipe", 4);
        close(fds[0]);
        close(fds[1]);

        proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        proc_out = openat(dir.fd, "status", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(kt_copy_fd(proc, proc_out, UINT64_MAX, &n), 0);
        ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(remove_tree_does_not_follow_symlinks)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "keep", 0700), 0);
        put(dir.fd, "keep/file", "kept");
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "tree/a/b", 0700), 0);
        put(dir.fd, "tree/a/file", "");
        ck_assert_int_eq(symlinkat("../../keep", dir.fd, "tree/a/link"), 0);
        ck_assert_int_eq(symlinkat("tree", dir.fd, "to_tree"), 0);

        ck_assert_int_eq(kt_remove_tree(dir.fd, "to_tree"), 0);
        ck_assert_int_eq(faccessat(dir.fd, "tree/a/b", F_OK, 0), 0);
        ck_assert_int_eq(kt_remove_tree(dir.fd, "tree"), 0);
        ck_assert_int_eq(kt_remove_tree(dir.fd, "tree"), 0);
        ck_assert_uint_eq(count_entries(dir.path), 1);
        text = get(dir.fd, "keep/file");
        ck_assert_str_eq(text, "kept");
}
END_TEST

START_TEST(remove_tree_leaves_a_mount_and_says_so)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *mount_point = kt_path_join(dir.path, "tree/mnt");
        _cleanup_free_ char *keep = kt_path_join(dir.path, "keep");
        pid_t pid;
        int status;

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "tree/mnt", 0700), 0);
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "keep", 0700), 0);
        put(dir.fd, "keep/file", "kept");
        put(dir.fd, "tree/other", "goes");

        /* 77: this user may not mount, even in a name space of its own. */
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount(keep, mount_point, NULL, MS_BIND, NULL) < 0)
                        _exit(77);
                _exit(kt_remove_tree(dir.fd, "tree") == -EBUSY ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                return;
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert_int_eq(faccessat(dir.fd, "keep/file", F_OK, 0), 0);
        ck_assert_int_lt(faccessat(dir.fd, "tree/other", F_OK, 0), 0);
}
END_TEST

START_TEST(fsync_tree_walks_all_and_skips_what_has_no_data)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "a/b", 0700), 0);
        put(dir.fd, "a/b/f", "x");
        ck_assert_int_eq(symlinkat("/nowhere", dir.fd, "a/link"), 0);
        ck_assert_int_eq(mkfifoat(dir.fd, "a/fifo", 0600), 0);
        ck_assert_int_eq(kt_fsync_tree(dir.fd), 0);
}
END_TEST

START_TEST(path_join_has_one_slash)
{
        static const char *const cases[][3] = {
                {"a", "b", "a/b"}, {"a/", "b", "a/b"},      {"a//", "//b", "a/b"},
                {"/", "b", "/b"},  {"/x", "y/z", "/x/y/z"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *joined = kt_path_join(cases[i][0], cases[i][1]);

                ck_assert_str_eq(joined, cases[i][2]);
        }
}
END_TEST

UNIT_MAIN("fsutil", mkdir_p_makes_all_and_is_content_with_what_is_there,
          read_file_ends_with_nul_and_keeps_to_its_limit, read_file_reads_proc_and_refuses_what_is_no_file,
          read_all_tells_a_short_file, publish_replaces_with_the_mode_asked_for,
          failed_publish_leaves_the_old_and_no_temp_file, copy_starts_where_the_offset_stands,
          copy_goes_to_pipes_and_comes_from_proc, remove_tree_does_not_follow_symlinks,
          remove_tree_leaves_a_mount_and_says_so, fsync_tree_walks_all_and_skips_what_has_no_data,
          path_join_has_one_slash)
