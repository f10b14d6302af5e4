/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What most unit tests need around `check`: a main() of a list of tests, and a folder that is gone
 * afterwards. */

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"

static inline int unit_run(const char *name, const TTest *const *tests, size_t n)
{
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 60);
        for (size_t i = 0; i < n; i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* UNIT_MAIN("module", test, test, …) */
#define UNIT_MAIN(name, ...)                                                                                \
        int main(void)                                                                                      \
        {                                                                                                   \
                const TTest *const tests[] = {__VA_ARGS__};                                                 \
                                                                                                            \
                return unit_run(name, tests, sizeof(tests) / sizeof(tests[0]));                             \
        }

struct unit_dir {
        char path[32];
        int fd;
};

static inline struct unit_dir unit_dir_new(void)
{
        struct unit_dir dir = {.path = "/tmp/ktstr-unit-XXXXXX"};

        ck_assert_ptr_nonnull(mkdtemp(dir.path));
        dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(dir.fd, 0);
        return dir;
}

static inline void unit_dir_done(struct unit_dir *dir)
{
        close(dir->fd);
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, dir->path), 0);
}

/* `_unit_dir_ struct unit_dir dir = unit_dir_new();` */
#define _unit_dir_ _cleanup_(unit_dir_done)
