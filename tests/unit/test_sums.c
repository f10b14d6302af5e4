/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/sums.h"

#include <string.h>

#include "unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define C "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char sums[] =
        A "  ChangeLog-6.14.99\n" A "  linux-6.14.2.tar.gz\n" B "  linux-6.14.2.tar.xz\r\n" C
          " *linux-6.14.10.tar.xz\n" A "  patch-6.14.50.xz\n" A "  linux-6.14.11-rc1.tar.xz\n"
          "short  linux-6.14.60.tar.xz\n" A "linux-6.14.61.tar.xz\n" A "  linux-6.15.tar.xz\n" A
          "  linux-6.1.70.tar.xz";

START_TEST(a_file_is_found_by_its_whole_name)
{
        char hex[KT_SHA256_HEX_SIZE];

        ck_assert(sums_find(sums, strlen(sums), "linux-6.14.2.tar.xz", hex));
        ck_assert_str_eq(hex, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
        ck_assert(sums_find(sums, strlen(sums), "linux-6.14.10.tar.xz", hex));
        ck_assert_str_eq(hex, C);
        ck_assert(sums_find(sums, strlen(sums), "linux-6.1.70.tar.xz", hex));
        ck_assert(!sums_find(sums, strlen(sums), "linux-6.14.1.tar.xz", hex));
        ck_assert(!sums_find(sums, strlen(sums), "6.14.2.tar.xz", hex));
        ck_assert(!sums_find(sums, strlen(sums), "linux-6.14.60.tar.xz", hex));
        ck_assert(!sums_find(sums, strlen(sums), "linux-6.14.61.tar.xz", hex));
        ck_assert(!sums_find(sums, strlen(sums), "", hex));
}
END_TEST

START_TEST(the_newest_of_a_series_is_a_release)
{
        static const struct {
                const char *series, *newest;
        } cases[] = {{"6.14", "6.14.10"}, {"6.15", "6.15"}, {"6.1", "6.1.70"},
                     {"6", "6.15"},       {"6.13", NULL},   {"5", NULL}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version series, v;
                char text[VERSION_TEXT_MAX];

                ck_assert(version_parse(cases[i].series, &series));
                ck_assert(sums_newest_of(sums, strlen(sums), &series, &v) == !!cases[i].newest);
                if (!cases[i].newest)
                        continue;
                version_text(&v, text);
                ck_assert_str_eq(text, cases[i].newest);
        }
}
END_TEST

/* In memory of its very size: what reads beyond it is found by the sanitizers. */
static char *heap_copy(const char *text, size_t size)
{
        char *copy = malloc(size + 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, size);
        copy[size] = '\0';
        return copy;
}

static const char signed_text[] =
        "around it\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\nHash: " A "\n\n" B
        "  file\n- -----dashed\n\nlast  \n-----BEGIN PGP SIGNATURE-----\n\niQ==\n"
        "-----END PGP SIGNATURE-----\naround it\n";

START_TEST(what_is_signed_is_between_the_markers)
{
        _cleanup_free_ char *text = heap_copy(signed_text, strlen(signed_text));
        size_t size = strlen(text);

        ck_assert(sums_cut_markers(text, &size));
        ck_assert_str_eq(text, B "  file\n-----dashed\n\nlast\n");
        ck_assert_uint_eq(size, strlen(text));
}
END_TEST

START_TEST(a_cut_text_has_no_signed_part)
{
        size_t end = (size_t)(strstr(signed_text, "BEGIN PGP SIGNATURE-----") - signed_text) +
                     strlen("BEGIN PGP SIGNATURE-----");

        for (size_t at = 0; at < end; at++) {
                _cleanup_free_ char *text = heap_copy(signed_text, at);
                char hex[KT_SHA256_HEX_SIZE];
                size_t size = at;

                ck_assert_msg(!sums_cut_markers(text, &size), "cut at %zu", at);
                ck_assert_uint_eq(size, at);
                sums_find(text, size, "file", hex);
        }
}
END_TEST

UNIT_MAIN("sums", a_file_is_found_by_its_whole_name, the_newest_of_a_series_is_a_release,
          what_is_signed_is_between_the_markers, a_cut_text_has_no_signed_part)
