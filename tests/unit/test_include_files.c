/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../client/include_files.h"
#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "unit.h"

static const struct include_names names = {"shell", "-i"};

struct setting {
        struct unit_dir dir;
        struct bundle b;
};

static struct setting set_up(void)
{
        struct setting s = {.dir = unit_dir_new()};

        ck_assert_int_eq(bundle_init(&s.b, NULL), 0);
        ck_assert_int_eq(chdir(s.dir.path), 0);
        return s;
}

static void tear_down(struct setting *s)
{
        ck_assert_int_eq(chdir("/"), 0);
        bundle_done(&s->b);
        unit_dir_done(&s->dir);
}
#define _setting_ _cleanup_(tear_down)

static void put(const char *path, mode_t mode)
{
        _cleanup_free_ char *folder = strdup(path);
        _cleanup_close_ int fd = -1;

        if (strrchr(folder, '/')) {
                *strrchr(folder, '/') = '\0';
                ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, folder, 0755), 0);
        }
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fchmod(fd, mode), 0);
        ck_assert_int_eq(kt_write_all(fd, path, strlen(path)), 0);
}

/* How many of the bundle's files become this one in the guest; the last one's permissions. */
static unsigned count(const struct setting *s, const char *guest_path, int64_t *ret_mode)
{
        unsigned n = 0;

        for (size_t i = 0; i < json_object_array_length(s->b.artifacts); i++) {
                struct json_object *o = json_object_array_get_idx(s->b.artifacts, i);

                if (strcmp(kt_json_str(o, "guest_path"), guest_path) == 0) {
                        *ret_mode = kt_json_int(o, "mode", -1);
                        n++;
                }
        }
        return n;
}

static void assert_there(const struct setting *s, const char *guest_path, int64_t mode)
{
        int64_t got = -1;

        ck_assert_msg(count(s, guest_path, &got) == 1, "%s is not in %s", guest_path,
                      json_object_to_json_string(s->b.artifacts));
        ck_assert_int_eq(got, mode);
}

static size_t n_files(const struct setting *s)
{
        return json_object_array_length(s->b.artifacts);
}

START_TEST(a_file_keeps_its_name)
{
        _setting_ struct setting s = set_up();

        put("plain", 0640);
        put("sub/script.sh", 0755);
        ck_assert_int_eq(symlink("sub/script.sh", "link"), 0);
        ck_assert_int_eq(include_files_add(&s.b, "plain", &names, NULL), 0);
        ck_assert_int_eq(include_files_add(&s.b, "./sub/script.sh", &names, NULL), 0);
        ck_assert_int_eq(include_files_add(&s.b, "link", &names, NULL), 0);
        assert_there(&s, "/include-files/plain", 0640);
        assert_there(&s, "/include-files/script.sh", 0755);
        assert_there(&s, "/include-files/link", 0755);
        ck_assert_uint_eq(n_files(&s), 3);
}
END_TEST

START_TEST(a_folder_keeps_its_structure)
{
        _setting_ struct setting s = set_up();

        put("data/a", 0644);
        put("data/deep/er/b", 0600);
        put("outside", 0644);
        ck_assert_int_eq(symlink("../outside", "data/link"), 0);
        ck_assert_int_eq(symlink("../nowhere", "data/dangling"), 0);
        ck_assert_int_eq(mkfifo("data/fifo", 0600), 0);
        ck_assert_int_eq(include_files_add(&s.b, "data/", &names, NULL), 0);
        assert_there(&s, "/include-files/data/a", 0644);
        assert_there(&s, "/include-files/data/deep/er/b", 0600);
        assert_there(&s, "/include-files/data/link", 0644);
        ck_assert_uint_eq(n_files(&s), 3);
}
END_TEST

START_TEST(a_bare_name_is_looked_for_on_the_path)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = kt_format(":/nonexistent:%s/first:%s/bin", s.dir.path, s.dir.path);

        put("bin/tool", 0755);
        put("bin/here", 0755);
        put("here", 0600);
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, "first/tool", 0755), 0);
        setenv("PATH", path, 1);
        ck_assert_int_eq(include_files_add(&s.b, "tool", &names, NULL), 0);
        ck_assert_int_eq(include_files_add(&s.b, "here", &names, NULL), 0);
        assert_there(&s, "/include-files/tool", 0755);
        assert_there(&s, "/include-files/here", 0600);
        ck_assert_uint_eq(n_files(&s), 2);
}
END_TEST

START_TEST(a_program_brings_its_libraries)
{
        _setting_ struct setting s = set_up();
        bool libc = false;

        ck_assert_int_eq(include_files_add(&s.b, "/bin/ls", &names, NULL), 0);
        for (size_t i = 0; i < n_files(&s); i++)
                libc |= strstr(kt_json_str(json_object_array_get_idx(s.b.artifacts, i), "guest_path"),
                               "libc.so") != NULL;
        ck_assert(libc);
        ck_assert_uint_eq(s.b.n, n_files(&s));
}
END_TEST

static const struct {
        const char *what, *message;
} wrong[] = {
        {"./missing", "-i ./missing: not found"},
        {"missing", "-i missing: not found in filesystem or PATH"},
        {"fifo", "-i fifo is neither a file nor a folder"},
        {"twice", "duplicate"},
        {"", "not found"},
};

START_TEST(what_is_wrong_is_named)
{
        _setting_ struct setting s = set_up();
        struct kt_error err = KT_ERROR_INIT;

        put("twice", 0644);
        put("other/twice", 0644);
        ck_assert_int_eq(mkfifo("fifo", 0600), 0);
        ck_assert_int_eq(include_files_add(&s.b, "other/twice", &names, NULL), 0);
        ck_assert_int_lt(include_files_add(&s.b, wrong[_i].what, &names, &err), 0);
        ck_assert_msg(strstr(err.message, wrong[_i].message) != NULL, "'%s' is not in: %s",
                      wrong[_i].message, err.message);
        ck_assert_str_eq(err.name, KT_E_BAD_FILE);
        ck_assert_uint_eq(n_files(&s), 1);
        kt_error_done(&err);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("include_files");
        TCase *c = tcase_create("include_files");

        tcase_add_test(c, a_file_keeps_its_name);
        tcase_add_test(c, a_folder_keeps_its_structure);
        tcase_add_test(c, a_bare_name_is_looked_for_on_the_path);
        tcase_add_test(c, a_program_brings_its_libraries);
        tcase_add_loop_test(c, what_is_wrong_is_named, 0, (int)KT_ARRAY_SIZE(wrong));
        suite_add_tcase(suite, c);
        return suite_run(suite);
}
