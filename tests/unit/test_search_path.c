/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include "../../common/search_path.h"
#include "unit.h"

/* a/ has the folder x and the program y, b/ the program x and the file z. We stand beside them. */
static void fill(const struct unit_dir *dir)
{
        static const struct {
                const char *path;
                mode_t mode;
        } files[] = {{"a/y", 0755}, {"b/x", 0755}, {"b/z", 0644}};

        ck_assert_int_eq(chdir(dir->path), 0);
        ck_assert(mkdir("a", 0755) == 0 && mkdir("a/x", 0755) == 0 && mkdir("b", 0755) == 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++) {
                int fd = open(files[i].path, O_WRONLY | O_CREAT | O_CLOEXEC, files[i].mode);

                ck_assert_int_ge(fd, 0);
                close(fd);
        }
}

static void expect(const char *path, const char *name, int mode, const char *found)
{
        _cleanup_free_ char *file = NULL;

        ck_assert_int_eq(path ? setenv("PATH", path, 1) : unsetenv("PATH"), 0);
        file = kt_search_path(name, mode);
        if (found)
                ck_assert_pstr_eq(file, found);
        else
                ck_assert_ptr_null(file);
}

START_TEST(the_first_file_that_can_be_used_is_found)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        fill(&dir);
        expect("a:b", "y", X_OK, "a/y");
        expect("a:b", "x", X_OK, "b/x"); /* a/x is a folder */
        expect("a:b", "z", R_OK, "b/z");
        expect("a:b", "z", X_OK, NULL);
        expect("a:b", "w", R_OK, NULL);
}
END_TEST

START_TEST(an_empty_place_is_not_the_current_folder)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        fill(&dir);
        ck_assert_int_eq(chdir("a"), 0);
        expect(":/nowhere::", "y", X_OK, NULL);
        expect("", "y", X_OK, NULL);
}
END_TEST

START_TEST(without_a_path_it_is_the_usual_folders)
{
        _cleanup_free_ char *file = NULL;

        unsetenv("PATH");
        file = kt_search_path("sh", X_OK);
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(file[0], '/');
}
END_TEST

UNIT_MAIN("search_path", the_first_file_that_can_be_used_is_found, an_empty_place_is_not_the_current_folder,
          without_a_path_it_is_the_usual_folders)
