/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The cache keys of kernels that are built here. */

#include <errno.h>

#include "../../daemon/kernel.h"
#include "../../daemon/kernel_key.h"
#include "../../proto/errors.h"
#include "unit.h"

#define SHA1 "0123456789abcdef0123456789abcdef01234567"

/* What it becomes, or "" when it is refused. */
static const char *made(struct kernel_key of)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        static char text[256];
        char *key = NULL;
        int r;

        of.profile = of.profile ?: "default";
        of.kconfig_hash = of.kconfig_hash ?: "deadbeef";
        r = kernel_key_make(&of, &key, &err);
        text[0] = '\0';
        if (r < 0) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_str_eq(err.name, KT_E_BUILD);
                ck_assert_ptr_nonnull(strstr(err.message, "cannot be named"));
                ck_assert_ptr_null(key);
                return text;
        }
        ck_assert(kernel_key_is_valid(key));
        snprintf(text, sizeof(text), "%s", key);
        free(key);
        return text;
}

#define MADE(...) made((struct kernel_key){__VA_ARGS__})

START_TEST(each_source_has_its_form)
{
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.14.2"), "6.14.2-tarball-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.12.1", .source_sha256 = SHA1),
                         "6.12.1-tarball-0123456-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "git", .ref = "v6.14", .git_hash = SHA1),
                         "v6.14-git-0123456-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "local", .git_hash = SHA1), "local-0123456-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "local", .git_hash = SHA1, .own_config = "11112222"),
                         "local-0123456-x86_64-cfg11112222-kcdeadbeef");
}
END_TEST

START_TEST(a_tree_without_a_commit_goes_by_its_path)
{
        char first[256];

        snprintf(first, sizeof(first), "%s", MADE(.source = "local", .tree_path = "/src/linux"));
        ck_assert_int_eq(strncmp(first, "local-unknown-", 14), 0);
        ck_assert_str_eq(first, MADE(.source = "local", .tree_path = "/src/linux"));
        ck_assert_str_ne(first, MADE(.source = "local", .tree_path = "/src/linux2"));
}
END_TEST

START_TEST(profile_and_what_was_merged_show)
{
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.14.2", .profile = "tiny",
                              .extra_kconfig_hash = "00112233"),
                         "6.14.2-tarball-x86_64-tiny-kcdeadbeef-xkc00112233");
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.14.2", .extra_kconfig_hash = "00112233"),
                         "6.14.2-tarball-x86_64-kcdeadbeef-xkc00112233");
}
END_TEST

START_TEST(two_fragments_are_two_keys)
{
        char first[256];

        snprintf(first, sizeof(first), "%s",
                 MADE(.source = "tarball", .version = "6.14.2", .kconfig_hash = "00000001"));
        ck_assert_str_ne(first, MADE(.source = "tarball", .version = "6.14.2", .kconfig_hash = "00000002"));
}
END_TEST

START_TEST(what_keys_may_not_have_is_replaced_in_a_ref)
{
        char ref[400];

        ck_assert_str_eq(MADE(.source = "git", .ref = "heads/for next\\x", .git_hash = SHA1),
                         "heads-for-next-x-git-0123456-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "git", .ref = "../../etc", .git_hash = SHA1),
                         "-.-.--etc-git-0123456-x86_64-kcdeadbeef");
        ck_assert_str_eq(MADE(.source = "git", .ref = ".tmp-x", .git_hash = SHA1),
                         "-tmp-x-git-0123456-x86_64-kcdeadbeef");
        memset(ref, 'r', sizeof(ref) - 1);
        ref[sizeof(ref) - 1] = '\0';
        ck_assert_str_ne(MADE(.source = "git", .ref = ref, .git_hash = SHA1), "");
}
END_TEST

START_TEST(what_is_missing_or_none_is_refused)
{
        static const char *const bad_versions[] = {"", "6.1/../..", "6 1", "../6.1", ".tmp-1"};
        char *key;

        for (size_t i = 0; i < KT_ARRAY_SIZE(bad_versions); i++)
                ck_assert_str_eq(MADE(.source = "tarball", .version = bad_versions[i]), "");
        ck_assert_str_eq(MADE(.source = "tarball"), "");
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.1", .source_sha256 = "xyz"), "");
        ck_assert_str_eq(MADE(.source = "package", .version = "6.1"), "");
        ck_assert_str_eq(MADE(.version = "6.1"), "");
        ck_assert_str_eq(MADE(.source = "git", .ref = "v6.14"), "");
        ck_assert_str_eq(MADE(.source = "git", .ref = "v6.14", .git_hash = "012345"), "");
        ck_assert_str_eq(MADE(.source = "git", .ref = "v6.14", .git_hash = "0123456/.."), "");
        ck_assert_str_eq(MADE(.source = "git", .ref = "", .git_hash = SHA1), "");
        ck_assert_str_eq(MADE(.source = "local"), "");
        ck_assert_str_eq(MADE(.source = "local", .git_hash = "HEADHEAD"), "");
        ck_assert_str_eq(MADE(.source = "local", .git_hash = SHA1, .own_config = "12"), "");
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.1", .profile = "large"), "");
        ck_assert_str_eq(MADE(.source = "tarball", .version = "6.1", .kconfig_hash = "no hash!"), "");
        ck_assert_int_eq(
                kernel_key_make(
                        &(struct kernel_key){.source = "tarball", .version = "6.1", .profile = "tiny"}, &key,
                        NULL),
                -EINVAL);
}
END_TEST

UNIT_MAIN("kernel_key", each_source_has_its_form, a_tree_without_a_commit_goes_by_its_path,
          profile_and_what_was_merged_show, two_fragments_are_two_keys,
          what_keys_may_not_have_is_replaced_in_a_ref, what_is_missing_or_none_is_refused)
