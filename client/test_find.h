/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs that declare tests, in a folder. */

#include "../common/error.h"

/* Has this ELF file the section ktstr_tests? 1, 0; -ENOEXEC: it is no ELF file, or a damaged one; -errno. */
int test_find_has_tests(const char *path);

/*
 * All executable ELF files below dir that have it, by path, sorted; symbolic links are not followed, and
 * folders whose name begins with a dot are passed over. *ret is a NULL-terminated array, to be freed with
 * test_find_free(). -ENOENT with a text when there is none; what cannot be looked at is an error too.
 */
int test_find(const char *dir, char ***ret, struct kt_error *reterr);
void test_find_free(char **paths);

/* Where to look when nobody said: "build", where there is such a folder, else ".". */
const char *test_find_default_dir(void);
