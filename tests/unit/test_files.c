/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../guest/files.h"
#include "unit.h"

static int begin(struct file_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int begin(struct file_writer *w, const char *fmt, ...)
{
        char json[256];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(json, sizeof(json), fmt, ap);
        va_end(ap);
        return file_begin(w, json, strlen(json), NULL);
}

START_TEST(a_file_arrives_in_pieces_with_its_mode_and_parents)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(file_writer_done) struct file_writer w = {.fd = -1};
        _cleanup_free_ char *text = NULL;
        struct stat st;

        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/a/b/c\",\"mode\":493,\"size\":6}", dir.path), 0);
        ck_assert_int_eq(file_data(&w, "abc", 3, NULL), 0);
        ck_assert_int_eq(file_data(&w, "def", 3, NULL), 0);
        ck_assert_int_eq(w.fd, -1);
        ck_assert_int_eq(kt_read_file(dir.fd, "a/b/c", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "abcdef");
        ck_assert_int_eq(fstatat(dir.fd, "a/b/c", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0755);
}
END_TEST

START_TEST(empty_files_and_links_need_no_data)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(file_writer_done) struct file_writer w = {.fd = -1};
        char target[32] = "";

        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/empty\",\"size\":0}", dir.path), 0);
        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/link\",\"link\":\"empty\"}", dir.path), 0);
        ck_assert_int_eq(file_end(&w, NULL), 0);
        ck_assert_int_eq(faccessat(dir.fd, "empty", F_OK, 0), 0);
        ck_assert_int_eq(readlinkat(dir.fd, "link", target, sizeof(target) - 1), 5);
        ck_assert_str_eq(target, "empty");
}
END_TEST

START_TEST(what_is_there_is_replaced_and_a_link_not_followed)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(file_writer_done) struct file_writer w = {.fd = -1};
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(kt_publish_file(dir.fd, "kept", "kept", 4, 0644), 0);
        ck_assert_int_eq(symlinkat("kept", dir.fd, "name"), 0);
        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/name\",\"size\":3}", dir.path), 0);
        ck_assert_int_eq(file_data(&w, "new", 3, NULL), 0);
        ck_assert_int_eq(kt_read_file(dir.fd, "kept", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "kept");
}
END_TEST

START_TEST(too_few_and_too_many_bytes_are_noticed)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(file_writer_done) struct file_writer w = {.fd = -1};

        ck_assert_int_eq(file_data(&w, "x", 1, NULL), -EBADMSG);
        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/f\",\"size\":3}", dir.path), 0);
        ck_assert_int_eq(file_data(&w, "wxyz", 4, NULL), -EBADMSG);
        ck_assert_int_eq(file_data(&w, "wx", 2, NULL), 0);
        ck_assert_int_eq(file_end(&w, NULL), -ENODATA);
        /* The next one does not hide it. */
        ck_assert_int_eq(begin(&w, "{\"path\":\"%s/g\",\"size\":3}", dir.path), -ENODATA);
}
END_TEST

START_TEST(only_normal_paths_are_taken)
{
        static const char *const bad[] = {"",    "relative", "/",      "//a", "/a//b",
                                          "/a/", "/.",       "/a/./b", "/..", "/a/../b"};
        _cleanup_(file_writer_done) struct file_writer w = {.fd = -1};

        for (size_t i = 0; i < KT_ARRAY_SIZE(bad); i++) {
                ck_assert_msg(!file_path_is_normal(bad[i]), "%s", bad[i]);
                ck_assert_int_eq(begin(&w, "{\"path\":\"%s\",\"size\":0}", bad[i]), -EINVAL);
        }
        ck_assert(file_path_is_normal("/a"));
        ck_assert(file_path_is_normal("/a/..b/c."));
        ck_assert_int_lt(begin(&w, "%s", "no JSON"), 0);
        ck_assert_int_lt(begin(&w, "%s", "[1]"), 0);
}
END_TEST

UNIT_MAIN("files", a_file_arrives_in_pieces_with_its_mode_and_parents, empty_files_and_links_need_no_data,
          what_is_there_is_replaced_and_a_link_not_followed, too_few_and_too_many_bytes_are_noticed,
          only_normal_paths_are_taken)
