/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Perl-compatible expressions that a person wrote to find something in a program's output: of the error that
 * a test expects, of a metric. `^` and `$` are the whole text's, `(?m)` makes them the lines'. Text and
 * expression are bytes.
 */

#include <stdbool.h>
#include <stddef.h>

#include "../common/error.h"

struct kt_pattern;

/* Compile; *ret is freed with kt_pattern_free(). -EINVAL with a text that says what is wrong and where: it
 * is empty, does not compile, or finds the empty text, which is in everything. -ENOMEM. */
int kt_pattern_new(const char *expression, struct kt_pattern **ret, struct kt_error *reterr);
void kt_pattern_free(struct kt_pattern *p);

/* How many groups it has. */
unsigned kt_pattern_groups(const struct kt_pattern *p);

/* From `begin` to before `end`. */
struct kt_span {
        size_t begin, end;
};

/* Where it is found first, from `from` on; group 0 is the whole, one that took no part has both ends -1. ret
 * may be NULL. 1, 0 (nowhere), -ERANGE (the expression backtracks too much on this text), -ETIMEDOUT (it
 * takes more than so many ms of this thread's CPU time), -ENOMEM. */
int kt_pattern_find_within(const struct kt_pattern *p, const char *text, size_t size, size_t from,
                           unsigned group, unsigned ms, struct kt_span *ret);

/* The last of all that are found one behind another, of which the group took part. All of them within so
 * many ms of CPU time; *ret is set where 1 is returned. The same else. */
int kt_pattern_find_last_within(const struct kt_pattern *p, const char *text, size_t size, unsigned group,
                                unsigned ms, struct kt_span *ret);
