/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of every main(): run what was added. */

#include <check.h>
#include <stdlib.h>

static inline int suite_run(Suite *s)
{
        SRunner *runner = srunner_create(s);
        int failed;

        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
