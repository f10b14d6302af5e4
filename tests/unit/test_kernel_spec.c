/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kernel_spec.h: what a user names a kernel by. */

#include <errno.h>
#include <string.h>

#include "../../proto/errors.h"
#include "../../proto/kernel_spec.h"
#include "../lib/suite.h"
#include "unit.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"

static const struct {
        const char *text;
        enum kernel_spec_kind kind;
} kinds[] = {
        /* as other tools of the field take them */
        {"6.14", KERNEL_SPEC_VERSION},
        {"6.14.2-tarball-x86_64-kcdeadbeef", KERNEL_SPEC_KEY},
        {"../linux", KERNEL_SPEC_PATH},
        {"./linux", KERNEL_SPEC_PATH},
        {"~/linux", KERNEL_SPEC_PATH},
        {"6.12..6.14", KERNEL_SPEC_RANGE},
        {"git+https://h/r.git#v6.14", KERNEL_SPEC_GIT},
        {"1.2.3.4", KERNEL_SPEC_KEY},
        {"6.15-rc", KERNEL_SPEC_KEY},
        /* and what lies near */
        {"6", KERNEL_SPEC_VERSION},
        {"6.14.2", KERNEL_SPEC_VERSION},
        {"6.15-rc3", KERNEL_SPEC_VERSION},
        {"6.15.0-rc3", KERNEL_SPEC_VERSION},
        {"v6.14", KERNEL_SPEC_KEY},
        {"6.14.", KERNEL_SPEC_KEY},
        {"", KERNEL_SPEC_KEY},
        {"6.18.15+deb13-cloud-amd64", KERNEL_SPEC_KEY},
        {"6.15..=7.0", KERNEL_SPEC_RANGE},
        {"6.14.2..6.14", KERNEL_SPEC_RANGE},
        {"6..7", KERNEL_SPEC_RANGE},
        {"6.15-rc1..6.15", KERNEL_SPEC_RANGE},
        {"6.12..", KERNEL_SPEC_KEY},
        {"6.12..x", KERNEL_SPEC_KEY},
        {"6.12...6.14", KERNEL_SPEC_KEY},
        {"6.12..==6.14", KERNEL_SPEC_KEY},
        {"..6.14", KERNEL_SPEC_PATH},
        {"..", KERNEL_SPEC_PATH},
        {".", KERNEL_SPEC_PATH},
        {"~", KERNEL_SPEC_PATH},
        {"6.12../linux", KERNEL_SPEC_PATH},
        {"linux/", KERNEL_SPEC_PATH},
        {"/boot/vmlinuz-6.14", KERNEL_SPEC_PATH},
        {"git", KERNEL_SPEC_KEY},
        {"git+/srv/linux#master", KERNEL_SPEC_GIT},
};

START_TEST(case_1_each_identifier_is_of_its_kind)
{
        struct kernel_spec s;

        ck_assert_int_eq(kernel_spec_parse(kinds[_i].text, &s, NULL), 0);
        ck_assert_msg(s.kind == kinds[_i].kind, "'%s' is taken for %d", kinds[_i].text, (int)s.kind);
        ck_assert_str_eq(s.text, kinds[_i].text);
        kernel_spec_done(&s);
}
END_TEST

static const struct {
        const char *text, *suggestion;
} inverted[] = {
        {"6.14..6.12", "6.12..6.14"},
        {"6.14..=6.12", "6.12..=6.14"},
        {"7..6", "6..7"},
        {"6.14.3..6.14.2", "6.14.2..6.14.3"},
        {"6.14..6.14-rc7", "6.14-rc7..6.14"},
        {"6.10..6.9", "6.9..6.10"},
};

START_TEST(case_2_an_inverted_range_is_told_with_its_ends_swapped)
{
        struct kernel_spec s;
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(kernel_spec_parse(inverted[_i].text, &s, &err), -EINVAL);
        ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
        ck_assert_str_eq(err.field, "kernel");
        ck_assert_ptr_nonnull(strstr(err.message, "inverted kernel range"));
        ck_assert_ptr_nonnull(strstr(err.message, inverted[_i].suggestion));
        kt_error_done(&err);
        kernel_spec_done(&s);
}
END_TEST

START_TEST(a_range_has_both_its_ends)
{
        struct kernel_spec s;

        ck_assert_int_eq(kernel_spec_parse("6.14.2..=6.16", &s, NULL), 0);
        ck_assert_str_eq(s.start, "6.14.2");
        ck_assert_str_eq(s.end, "6.16");
        kernel_spec_done(&s);
}
END_TEST

static const struct {
        const char *range, *version;
        bool covers;
} covered[] = {
        {"6.14..6.16", "6.14", true},
        {"6.14..6.16", "6.14.0", true},
        {"6.14..6.16", "6.15.9", true},
        {"6.14..6.16", "6.16", true},
        {"6.14..6.16", "6.16.5", true},
        {"6.14..=6.16", "6.16.5", true},
        {"6.14..6.16", "6.17", false},
        {"6.14..6.16", "6.13.12", false},
        {"6.14.2..6.14.4", "6.14.1", false},
        {"6.14.2..6.14.4", "6.14.2", true},
        {"6.14.2..6.14.4", "6.14.4", true},
        {"6.14.2..6.14.4", "6.14.5", false},
        {"6..7", "7.3.1", true},
        {"6..7", "8.0", false},
        {"6.9..6.10", "6.10.1", true},
        {"6.14..6.14", "6.14.7", true},
        /* candidates only where one is asked for */
        {"6.14..6.16", "6.15-rc3", false},
        {"6.14..6.16", "6.16-rc3", false},
        {"6.15-rc2..6.15-rc4", "6.15-rc3", true},
        {"6.15-rc2..6.15-rc4", "6.15.0-rc4", true},
        {"6.15-rc2..6.15-rc4", "6.15-rc1", false},
        {"6.15-rc2..6.15-rc4", "6.15", false},
        {"6.15-rc2..6.16", "6.16.1", true},
};

START_TEST(a_range_covers_what_is_between_its_ends_and_these)
{
        struct kernel_spec s;

        ck_assert_int_eq(kernel_spec_parse(covered[_i].range, &s, NULL), 0);
        ck_assert_msg(kernel_spec_covers(&s, covered[_i].version) == covered[_i].covers, "%s and %s",
                      covered[_i].range, covered[_i].version);
        kernel_spec_done(&s);
}
END_TEST

static const struct {
        const char *text, *url, *ref;
        enum kernel_git_ref kind;
} gits[] = {
        {"git+https://h/r.git#v6.14", "https://h/r.git", "v6.14", KERNEL_GIT_ANY},
        {"git+https://h/r.git#tag=v6.14", "https://h/r.git", "v6.14", KERNEL_GIT_TAG},
        {"git+https://h/r#branch=for-next", "https://h/r", "for-next", KERNEL_GIT_BRANCH},
        {"git+https://h/r#sha=" SHA, "https://h/r", SHA, KERNEL_GIT_SHA},
        {"git+https://h/r#" SHA, "https://h/r", SHA, KERNEL_GIT_ANY},
        {"git+https://h/r#users/tj/6.14..6.12", "https://h/r", "users/tj/6.14..6.12", KERNEL_GIT_ANY},
        {"git+ssh://u@h:22/a/b.git#x", "ssh://u@h:22/a/b.git", "x", KERNEL_GIT_ANY},
        {"git+https://h/r#", NULL, NULL, KERNEL_GIT_ANY},
        {"git+https://h/r", NULL, NULL, KERNEL_GIT_ANY},
        {"git+#v6.14", NULL, NULL, KERNEL_GIT_ANY},
        {"git+", NULL, NULL, KERNEL_GIT_ANY},
        {"git+https://h/r#tag=", NULL, NULL, KERNEL_GIT_ANY},
        {"git+https://h/r#sha=abc", NULL, NULL, KERNEL_GIT_ANY},
};

START_TEST(a_git_source_has_a_url_and_a_ref_or_is_refused)
{
        struct kernel_spec s;
        struct kt_error err = KT_ERROR_INIT;
        int r = kernel_spec_parse(gits[_i].text, &s, &err);

        if (gits[_i].url) {
                ck_assert_int_eq(r, 0);
                ck_assert_str_eq(s.git_url, gits[_i].url);
                ck_assert_str_eq(s.git_ref, gits[_i].ref);
                ck_assert_int_eq(s.git_ref_kind, gits[_i].kind);
        } else {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
                ck_assert_ptr_nonnull(strstr(err.message, gits[_i].text));
        }
        kt_error_done(&err);
        kernel_spec_done(&s);
}
END_TEST

static const struct {
        const char *spec, *url, *ref, *hash;
        bool is;
} git_entries[] = {
        {"git+https://h/r.git#v6.14", "https://h/r.git", "v6.14", NULL, true},
        {"git+https://h/r.git#v6.14", "https://h/r/", "v6.14", NULL, true},
        {"git+https://h/r#v6.14", "git@h:r.git", "v6.14", NULL, true},
        {"git+https://h/r#v6.14", "https://h/r.git", "v6.15", NULL, false},
        {"git+https://h/r#v6.14", "https://h/rr", "v6.14", NULL, false},
        {"git+https://h/r#v6.14", "https://h/r", "refs/tags/v6.14", NULL, true},
        {"git+https://h/r#refs/tags/v6.14", "https://h/r", "v6.14", NULL, true},
        {"git+https://h/r#tag=x", "https://h/r", "refs/tags/x", NULL, true},
        {"git+https://h/r#tag=x", "https://h/r", "refs/heads/x", NULL, false},
        {"git+https://h/r#tag=x", "https://h/r", "x", NULL, true},
        {"git+https://h/r#branch=x", "https://h/r", "refs/tags/x", NULL, false},
        {"git+https://h/r#branch=x", "https://h/r", "refs/heads/x", SHA, true},
        {"git+https://h/r#sha=" SHA, "https://h/r", "master", SHA, true},
        {"git+https://h/r#" SHA, "https://h/r", "master", SHA, true},
        {"git+https://h/r#0123456", "https://h/r", "master", SHA, true},
        {"git+https://h/r#012345", "https://h/r", "master", SHA, false},
        {"git+https://h/r#branch=0123456", "https://h/r", "master", SHA, false},
        {"git+https://h/r#1123456", "https://h/r", "master", SHA, false},
};

START_TEST(a_git_source_is_known_again)
{
        struct kernel_spec s;

        ck_assert_int_eq(kernel_spec_parse(git_entries[_i].spec, &s, NULL), 0);
        ck_assert(kernel_spec_is_git(&s, git_entries[_i].url, git_entries[_i].ref, git_entries[_i].hash) ==
                  git_entries[_i].is);
        kernel_spec_done(&s);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_spec");
        TCase *t = tcase_create("kernel_spec");

        tcase_add_loop_test(t, case_1_each_identifier_is_of_its_kind, 0, KT_ARRAY_SIZE(kinds));
        tcase_add_loop_test(t, case_2_an_inverted_range_is_told_with_its_ends_swapped, 0,
                            KT_ARRAY_SIZE(inverted));
        tcase_add_test(t, a_range_has_both_its_ends);
        tcase_add_loop_test(t, a_range_covers_what_is_between_its_ends_and_these, 0, KT_ARRAY_SIZE(covered));
        tcase_add_loop_test(t, a_git_source_has_a_url_and_a_ref_or_is_refused, 0, KT_ARRAY_SIZE(gits));
        tcase_add_loop_test(t, a_git_source_is_known_again, 0, KT_ARRAY_SIZE(git_entries));
        suite_add_tcase(s, t);
        return suite_run(s);
}
