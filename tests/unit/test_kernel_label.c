/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kernel_label.h: what kernels are called where there are several. */

#include <string.h>

#include "../../daemon/kernel_label.h"
#include "../lib/suite.h"
#include "unit.h"

static const struct {
        const char *text, *label;
} texts[] = {
        {"6.14.2", "kernel_6_14_2"},
        {"6.15-rc3", "kernel_6_15_rc3"},
        {"git_tj_sched_ext_for-next", "kernel_git_tj_sched_ext_for_next"},
        {"path_linux_a3f2b1", "kernel_path_linux_a3f2b1"},
        {"6.14.2--", "kernel_6_14_2"},
        {"A..b__C", "kernel_a_b_c"},
        {"-x", "kernel_x"},
        {"\xc3\xa4"
         "6",
         "kernel_6"},
        {"...", "kernel"},
        {"", "kernel"},
};

START_TEST(case_3_a_text_becomes_its_label)
{
        _cleanup_free_ char *label = kernel_label_text(texts[_i].text);

        ck_assert_str_eq(label, texts[_i].label);
}
END_TEST

static const struct {
        struct kernel kernel;
        const char *label;
} entries[] = {
        {{.version = "6.14.2", .source = "tarball"}, "kernel_6_14_2"},
        {{.version = "6.15-rc3", .source = "package"}, "kernel_6_15_rc3"},
        {{.version = "6.18.8", .source = "tree"}, "kernel_6_18_8"},
        {{.version = "6.15.0",
          .source = "git",
          .git_url = "https://git.kernel.org/pub/scm/linux/kernel/git/tj/sched_ext.git",
          .git_ref = "refs/heads/for-next"},
         "kernel_git_tj_sched_ext_for_next"},
        {{.version = "6.15.0",
          .source = "git",
          .git_url = "git@github.com:Owner/Repo.git",
          .git_ref = "v6.14"},
         "kernel_git_owner_repo_v6_14"},
        {{.version = "6.15.0", .source = "git", .git_url = "https://h/r.git", .git_ref = "x"},
         "kernel_git_r_x"},
        {{.version = "6.15.0", .source = "git", .git_url = "ssh://u@h:22/a/b/", .git_ref = "x"},
         "kernel_git_a_b_x"},
        {{.version = "6.15.0", .source = "git", .git_url = "/srv/git/linux", .git_ref = "x"},
         "kernel_git_git_linux_x"},
        {{.version = "6.15.0", .source = "git", .git_url = "h", .git_ref = "x"}, "kernel_git_h_x"},
        {{.version = "6.15.0", .source = "git", .git_url = "https://h", .git_ref = "x"}, "kernel_git_h_x"},
        {{.version = "6.15.0", .source = "local", .git_hash = "A3f2b19900112233445566778899aabbccddeeff"},
         "kernel_local_a3f2b1"},
        {{.version = "6.15.0", .source = "local"}, "kernel_local_unknown"},
};

START_TEST(case_3_an_entry_has_the_label_of_what_it_was_made_from)
{
        _cleanup_free_ char *label = kernel_label(&entries[_i].kernel);

        ck_assert_str_eq(label, entries[_i].label);
}
END_TEST

/* The digits are `python3 -c 'import zlib; print("%08x" % zlib.crc32(b"/src/linux"))'`. */
static const struct {
        const char *path, *release, *label;
} paths[] = {
        {"/src/linux", "6.15.0", "kernel_path_linux_621008"},
        {"/src/linux", "6.15.0-rc3-00012-gabcdef0-dirty", "kernel_path_linux_621008_dirty"},
        {"/src/linux", "dirty", "kernel_path_linux_621008"},
        {"/boot/vmlinuz-6.14", "6.14.0", "kernel_path_vmlinuz_6_14_2ea441"},
};

START_TEST(case_3_a_path_has_its_name_and_six_digits_in_its_label)
{
        struct kernel k = {.version = "6.15.0", .release = (char *)paths[_i].release, .source = "tree"};
        _cleanup_free_ char *label = kernel_label_path(&k, paths[_i].path);

        ck_assert_str_eq(label, paths[_i].label);
}
END_TEST

START_TEST(labels_are_unique_within_a_run)
{
        char *taken[4] = {strdup("kernel_6_14_2")};

        for (size_t i = 1; i < KT_ARRAY_SIZE(taken); i++)
                taken[i] = kernel_label_unique(strdup(i == 2 ? "kernel_6_14_3" : "kernel_6_14_2"), taken, i);
        ck_assert_str_eq(taken[1], "kernel_6_14_2_2");
        ck_assert_str_eq(taken[2], "kernel_6_14_3");
        ck_assert_str_eq(taken[3], "kernel_6_14_2_3");
        ck_assert_ptr_null(kernel_label_unique(NULL, taken, KT_ARRAY_SIZE(taken)));
        for (size_t i = 0; i < KT_ARRAY_SIZE(taken); i++)
                free(taken[i]);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_label");
        TCase *t = tcase_create("kernel_label");

        tcase_add_loop_test(t, case_3_a_text_becomes_its_label, 0, KT_ARRAY_SIZE(texts));
        tcase_add_loop_test(t, case_3_an_entry_has_the_label_of_what_it_was_made_from, 0,
                            KT_ARRAY_SIZE(entries));
        tcase_add_loop_test(t, case_3_a_path_has_its_name_and_six_digits_in_its_label, 0,
                            KT_ARRAY_SIZE(paths));
        tcase_add_test(t, labels_are_unique_within_a_run);
        suite_add_tcase(s, t);
        return suite_run(s);
}
