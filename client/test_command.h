/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of `ktstrctl test`, and what comes of it until all has run. */

#include <stdio.h>

#include "kernel_choice.h"
#include "test_plan.h"
#include "test_programs.h"
#include "test_run.h"

struct test_command {
        struct globals *g;
        char **names; /* of programs, borrowed */
        size_t n_names;
        const char *dir, *junit;
        const char **filters; /* owned, their texts are not */
        size_t n_filters;
        bool list, tap, verbose;
        int64_t budget_s;
        struct test_plan_options plan;
        struct test_run_options run;
        struct json_object *request;
        FILE *again; /* options that a repetition needs, into again_text */
        char *again_text;
        size_t again_size;
        const char *one_kernel; /* as typed, where there is one */

        struct test_programs programs;
        struct kernel_choice kernels;
        struct json_object *resolved;
        struct gauntlet room;
};

extern const char test_usage[];

/* False: *ret_status is to be returned (help, or a usage error that was told). test_command_done() in any
 * case. */
bool test_command_parse(struct test_command *c, int argc, char **argv, struct globals *g, int *ret_status);
void test_command_done(struct test_command *c);
