/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a cell to io.ktstrd.Job.Submit: what its test and scheduler declare, and the files that it needs. */

#include "bundle.h"
#include "gauntlet.h"
#include "test_plan.h"

enum test_perf_mode {
        TEST_PERF_DECLARED, /* as each test does */
        TEST_PERF_NEVER,
        TEST_PERF_ALWAYS, /* but for tests that are declared .no_perf_mode */
};

/* What the command line says of all cells. */
struct test_overrides {
        struct json_object *request; /* parameters that go along as they are (accel, timeout_ms, priority),
                                        cpu_budget, and `kernel` where there is one for all */
        enum test_perf_mode perf_mode;
        int64_t duration_ms;         /* 0: as declared */
        const struct gauntlet *room; /* the memory of presets; NULL: that of the preset */
        bool tell_odd_files;         /* on stderr, what include_files.h tells there */
};

/* The scheduler's program (malloced), where it is declared by name or path; NULL: none is needed. Errors as
 * of sched_lookup_beside(). */
int test_params_scheduler(const struct test_program *program, struct json_object *scheduler, char **ret,
                          struct kt_error *reterr);

/*
 * The parameters, and the descriptors that go along: bundle_init() and bundle_done() are the caller's. Opens
 * files: to be called when the cell is sent, and not for all of them at once. *ret is the caller's.
 */
int test_params_make(const struct test_cell *cell, const struct test_overrides *overrides, struct bundle *b,
                     struct json_object **ret, struct kt_error *reterr);

/* The checks that a test and its scheduler declare, the test's on top: a new object, empty where there are
 * none. NULL when memory is out. */
struct json_object *test_params_checks(struct json_object *scheduler, struct json_object *test);

/* The arguments of its scheduler, in their order: configuration, the scheduler's own, the test's. A new
 * array; NULL when memory is out. */
struct json_object *test_params_sched_args(struct json_object *scheduler, struct json_object *test);
