/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a run is told: to a person, as JSON, as TAP, as JUnit's XML, each in a file of its own. A report gets
 * the results as they come, in no order; what is not run comes first.
 */

#include <stdio.h>

#include "test_session.h"

struct test_report {
        const struct test_report_ops *ops;
        const struct test_session *session; /* borrowed */
        FILE *out;
        bool verbose;
        size_t told; /* results */
        void *data;  /* the report's own */
};

struct test_report_ops {
        /* NULL: nothing is to be done then. */
        void (*begin)(struct test_report *r);
        /* label: the cell's name, and of a second run that it is one. */
        void (*event)(struct test_report *r, const struct test_cell *c, const char *label,
                      struct json_object *event);
        void (*result)(struct test_report *r, const struct cell_result *result);
        /* What a second run showed, of each result that is_repeated. */
        void (*repeat)(struct test_report *r, const struct cell_result *result);
        /* The session's counts and status are set. -errno with a text when it cannot be written. */
        int (*end)(struct test_report *r, struct kt_error *reterr);
        void (*done)(struct test_report *r);
};

extern const struct test_report_ops test_report_text, test_report_json, test_report_tap;

/* JUnit's XML into a file, which has the old content or all of the new. The folder is opened now, so that a
 * place that cannot be written to is known before anything runs. */
int test_report_junit_open(struct test_report *r, const char *path, struct kt_error *reterr);

/* Text for XML: characters that it forbids, and bytes that are no UTF-8, are U+FFFD. */
void test_report_xml_text(FILE *f, const char *text);

/* The names of a plan, one a line, or as JSON. */
void test_list_print(const struct test_plan *plan, bool json);
