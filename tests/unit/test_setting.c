/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../guest/setting.h"
#include "../../proto/codec.h"
#include "unit.h"

static struct kt_error err;

static int apply(const struct unit_dir *dir, const char *json)
{
        _cleanup_json_ struct json_object *list = NULL;

        kt_error_done(&err);
        ck_assert_int_eq(kt_json_parse(json, strlen(json), &list, NULL), 0);
        return setting_apply(list, dir->path, &err);
}

/* An empty file in a folder. */
static void file(const struct unit_dir *dir, const char *folder, const char *name)
{
        ck_assert_int_eq(kt_mkdir_p(dir->fd, folder, 0755), 0);
        _cleanup_close_ int fd = openat(dir->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_eq(kt_replace_file(fd, name, "", 0, 0644), 0);
}

static void assert_content(const struct unit_dir *dir, const char *path, const char *content)
{
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(kt_read_file(dir->fd, path, 100, &text, NULL), 0);
        ck_assert_str_eq(text, content);
}

START_TEST(dots_are_folders_and_the_last_write_wins)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        file(&dir, "kernel", "x");
        ck_assert_int_eq(
                apply(&dir,
                      "[{\"key\":\"kernel.x\",\"value\":\"7\"},{\"key\":\"kernel/x\",\"value\":\"8\"}]"),
                0);
        assert_content(&dir, "kernel/x", "8");
        ck_assert_int_eq(setting_apply(NULL, dir.path, NULL), 0);
}
END_TEST

START_TEST(a_dot_in_a_name_is_written_as_a_slash)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        file(&dir, "net/eth0.1", "f");
        ck_assert_int_eq(apply(&dir, "[{\"key\":\"net.eth0/1.f\",\"value\":\"1\"}]"), 0);
        assert_content(&dir, "net/eth0.1/f", "1");
}
END_TEST

START_TEST(an_error_names_key_and_value)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        ck_assert_int_eq(apply(&dir, "[{\"key\":\"kernel.none\",\"value\":\"5\"}]"), -ENOENT);
        ck_assert_str_eq(kt_error_text(&err),
                         "cannot set the sysctl kernel.none to '5': this kernel has no such one");
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "kernel", 0755), 0);
        ck_assert_int_eq(apply(&dir, "[{\"key\":\"kernel\",\"value\":\"on\"}]"), -EISDIR);
        ck_assert_str_eq(kt_error_text(&err), "cannot set the sysctl kernel to 'on': Is a directory");
        ck_assert_int_eq(apply(&dir, "[{\"key\":\"kernel/../../x\",\"value\":\"on\"}]"), -EINVAL);
        kt_error_done(&err);
}
END_TEST

UNIT_MAIN("setting", dots_are_folders_and_the_last_write_wins, a_dot_in_a_name_is_written_as_a_slash,
          an_error_names_key_and_value)
