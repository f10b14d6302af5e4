/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The error that a test expects its scheduler to end in: one that attached, and that the kernel then threw
 * out, or that ended by itself with a failure. With these words, where some are given: in all that it
 * printed (its debug dump with it) and in the kernel's own words.
 */

#include <stdbool.h>

#include "../common/error.h"

struct verdict;

/* Strings owned. */
struct expect {
        bool error;
        char *contains; /* this, byte by byte */
        char *matches;  /* a Perl-compatible expression (lib/pattern.h) for the whole text */
};

void expect_done(struct expect *e);

/* -EINVAL with the field when the texts cannot decide anything: they are empty, match everything, do not
 * compile, or come without `error`. */
int expect_check(const struct expect *e, struct kt_error *reterr);

/* What is searched, and what came of it. */
struct expect_search {
        const struct expect *expect; /* borrowed */
        const char *log_path; /* borrowed: what the scheduler printed; a file that is not there is empty */
        const char *words;    /* borrowed: the kernel's; NULL: none */

        bool contains, matches; /* found, or not asked for */
        struct kt_error error;  /* it could not be searched */
};

#define EXPECT_SEARCH_MS 10000

/* Blocking, for a worker thread; at most some EXPECT_SEARCH_MS of CPU time. */
void expect_search(struct expect_search *s);

/* Does this verdict want a search: is an error expected, and did the scheduler end in one? */
bool expect_wants_search(const struct expect *e, const struct verdict *v);

/* Turn a verdict that has been judged without any expectation into one with it. s: its search, where it
 * wants one. Cancelled, error, inconclusive and skip stay what they are: where nothing was tried no error
 * can have come. */
void expect_judge(const struct expect *e, const struct expect_search *s, struct verdict *v,
                  const char *sched_name);
