/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/package.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define HEX "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703"
#define URI "'http://mirror.example/pool/linux-source-6.12_6.12.117-1%7edeb12u1_all.deb' "

START_TEST(what_apt_says_is_read)
{
        static const struct {
                const char *text, *file, *version, *sha256;
                int64_t size;
        } cases[] = {
                {URI "linux-source-6.12_6.12.117-1~deb12u1_all.deb 153476148 SHA256:" HEX "\n",
                 "linux-source-6.12_6.12.117-1~deb12u1_all.deb", "6.12.117-1~deb12u1", HEX, 153476148},
                {"N: something else\n" URI "x_1%3a2-3_all.deb 7 SHA512:00", "x_1%3a2-3_all.deb", "1:2-3",
                 NULL, 7},
                {URI "x_1_all.deb 7 SHA256:" HEX "00\n", "x_1_all.deb", "1", NULL, 7},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct apt_file f = {};

                ck_assert_int_eq(apt_file_parse(cases[i].text, &f), 0);
                ck_assert_str_eq(f.file, cases[i].file);
                ck_assert_str_eq(f.version, cases[i].version);
                ck_assert_pstr_eq(f.sha256, cases[i].sha256);
                ck_assert_int_eq(f.size, cases[i].size);
                apt_file_done(&f);
        }
}
END_TEST

START_TEST(what_is_not_understood_is_no_file)
{
        static const char *const cases[] = {
                "",
                "\n\n",
                "E: no\n",
                URI "x_1_all.deb\n",
                URI "x_1_all.deb 0 SHA256:" HEX "\n",
                URI "x_1_all.deb -1 SHA256:" HEX "\n",
                URI "../x_1_all.deb 7 SHA256:" HEX "\n",
                URI ".x_1_all.deb 7 SHA256:" HEX "\n",
                URI "x.deb 7 SHA256:" HEX "\n",
                URI "x_all.deb 7 SHA256:" HEX "\n",
                URI "x__all.deb 7 SHA256:" HEX "\n",
                URI "x_1$(reboot)_all.deb 7 SHA256:" HEX "\n",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct apt_file f = {};

                ck_assert_msg(apt_file_parse(cases[i], &f) == -EBADMSG, "%s", cases[i]);
        }
}
END_TEST

START_TEST(the_kernels_version_is_in_the_packages)
{
        static const char *const cases[][2] = {
                {"6.12.117-1~deb12u1", "6.12.117"},
                {"6.8.0-60.63", "6.8.0"},
                {"1:6.1.2-3", "6.1.2"},
                {"6.15~rc7-1~exp1", "6.15-rc7"},
                {"6.19.6-2~bpo13+1", "6.19.6"},
                {"6.12", "6.12"},
                {"6.12+dfsg-1", NULL},
                {"20260101", NULL},
                {"", NULL},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *is = apt_kernel_version(cases[i][0]);

                ck_assert_pstr_eq(is, cases[i][1]);
        }
}
END_TEST

UNIT_MAIN("package", what_apt_says_is_read, what_is_not_understood_is_no_file,
          the_kernels_version_is_in_the_packages)
