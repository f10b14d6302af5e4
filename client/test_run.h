/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Run the cells of a session, so many at a time, and tell the reports. */

#include "test_params.h"
#include "test_report.h"
#include "test_session.h"

#define TEST_JOBS_DEFAULT 16U

struct test_run_options {
        unsigned jobs;  /* at a time */
        bool no_repro;  /* those whose scheduler died are not run once more */
        bool fail_fast; /* after the first that is bad no more are begun, and those that run are cancelled */
        struct test_overrides overrides;
};

/* Run all, to their ends; sets what the session comes to. -errno with a text when a report could not be
 * written. */
int test_run(struct test_session *s, const struct test_run_options *options, struct test_report *reports,
             size_t n_reports, struct kt_error *reterr);
