/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kernel_candidates.h: kernels that lie about. */

#include <string.h>
#include <unistd.h>

#include "../../client/kernel_candidates.h"
#include "unit.h"

#define RELEASE "6.18.1-host"

static void make(const struct unit_dir *dir, const char *path)
{
        _cleanup_free_ char *folder = strdup(path);

        *strrchr(folder, '/') = '\0';
        ck_assert_int_eq(kt_mkdir_p(dir->fd, folder, 0755), 0);
        ck_assert_int_eq(kt_publish_file(dir->fd, path, "x", 1, 0644), 0);
}

/* Their paths below the folder, with blanks between them. */
static char *candidates(const struct unit_dir *dir)
{
        _cleanup_free_ char *here = kt_path_join(dir->path, "work/here"),
                            *root = kt_path_join(dir->path, "root");
        char **found = kernel_candidates(here, root, RELEASE), *text = strdup("");

        ck_assert_ptr_nonnull(found);
        for (char **p = found; *p; p++) {
                char *longer = kt_format("%s%s%s", text, *text ? " " : "", *p + strlen(dir->path) + 1);

                free(text);
                text = longer;
        }
        kernel_candidates_free(found);
        return text;
}

static const struct {
        const char *file, *path; /* what is there; what it makes a candidate */
} places[] = {
        {"work/here/linux/vmlinux", "work/here/linux"},
        {"work/linux/arch/x86/boot/bzImage", "work/here/../linux"},
        {"root/lib/modules/" RELEASE "/build/vmlinux", "root/lib/modules/" RELEASE "/build"},
        {"root/lib/modules/" RELEASE "/vmlinuz", "root/lib/modules/" RELEASE "/vmlinuz"},
        {"root/boot/vmlinuz-" RELEASE, "root/boot/vmlinuz-" RELEASE},
        {"root/boot/vmlinuz", "root/boot/vmlinuz"},
};

START_TEST(each_place_is_looked_at_and_in_this_order)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *expected = strdup("");

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "work/here", 0755), 0);
        for (size_t i = KT_ARRAY_SIZE(places); i-- > 0;) {
                _cleanup_free_ char *before = TAKE_PTR(expected), *found = NULL;

                make(&dir, places[i].file);
                expected = kt_format("%s%s%s", places[i].path, *before ? " " : "", before);
                found = candidates(&dir);
                ck_assert_str_eq(found, expected);
        }
}
END_TEST

START_TEST(what_is_no_kernel_is_none)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *found = NULL;

        make(&dir, "work/here/linux/Makefile");
        make(&dir, "work/linux/vmlinux/is-a-folder");
        make(&dir, "root/lib/modules/" RELEASE "/build/Makefile");
        make(&dir, "root/lib/modules/6.1.0-other/vmlinuz");
        make(&dir, "root/boot/vmlinuz-6.1.0-other");
        found = candidates(&dir);
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(the_one_beside_has_its_short_name)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        char **found;

        make(&dir, "work/linux/vmlinux");
        ck_assert_int_eq(kt_mkdir_p(dir.fd, "work/here", 0755), 0);
        ck_assert_int_eq(fchdir(dir.fd), 0);
        ck_assert_int_eq(chdir("work/here"), 0);
        found = kernel_candidates(".", "/nonexistent", RELEASE);
        ck_assert_str_eq(found[0], "../linux");
        ck_assert_ptr_null(found[1]);
        kernel_candidates_free(found);
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

UNIT_MAIN("kernel_candidates", each_place_is_looked_at_and_in_this_order, what_is_no_kernel_is_none,
          the_one_beside_has_its_short_name)
