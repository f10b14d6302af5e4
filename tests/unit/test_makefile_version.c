/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/makefile_version.h"

#include <errno.h>

#include "unit.h"

START_TEST(versions_are_named_as_kernel_org_names_them)
{
        static const struct {
                const char *text, *version;
        } cases[] = {
                {"# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 14\nSUBLEVEL = 2\n"
                 "EXTRAVERSION =\nNAME = Baby Opossum Posse\n",
                 "6.14.2"},
                {"VERSION = 6\nPATCHLEVEL = 14\nSUBLEVEL = 0\nEXTRAVERSION =\n", "6.14"},
                {"VERSION = 6\nPATCHLEVEL = 15\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "6.15-rc3"},
                {"VERSION=6\nPATCHLEVEL=15\nEXTRAVERSION = -rc12-next\n", "6.15-rc12"},
                {"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION = -vendor\n", "6.1.7"},
                {"VERSION = 7\r\nPATCHLEVEL = 3\r\nSUBLEVEL = 4\r\n", "7.3.4"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *version = NULL;

                ck_assert_int_eq(makefile_version(cases[i].text, &version), 0);
                ck_assert_str_eq(version, cases[i].version);
        }
}
END_TEST

START_TEST(other_makefiles_have_none)
{
        static const char *const texts[] = {
                "",
                "all:\n\techo\n",
                "VERSION = 6\n",
                "VERSION = 6\nPATCHLEVEL = x\n",
                "VERSION = 1.2.3\nPATCHLEVEL = 1\n",
                "# VERSION = 6\n# PATCHLEVEL = 1\n",
                "VERSION = 99999999999\nPATCHLEVEL = 1\n",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++) {
                char *version = NULL;

                ck_assert_msg(makefile_version(texts[i], &version) == -ENOENT, "%s", texts[i]);
        }
}
END_TEST

UNIT_MAIN("makefile_version", versions_are_named_as_kernel_org_names_them, other_makefiles_have_none)
