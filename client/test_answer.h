/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a program prints when it is asked what it declares: run once, under limits (confined.h). */

#include <stddef.h>

#include "../common/error.h"

struct test_answer {
        char *out; /* owned, not terminated */
        size_t size;
        /* The end of what it prints on stderr, for the text of an error. */
        char err[512];
        size_t err_size;
};

/* path has a slash. -errno with one line for what it did instead of answering: it crashed, hung, printed too
 * much; -ENOMEM. test_answer_done() in any case. */
int test_answer_get(const char *path, struct test_answer *ret, struct kt_error *reterr);
void test_answer_done(struct test_answer *a);
