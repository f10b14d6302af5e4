/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "simple.h"

static const char usage[] = "ktstrctl scenarios [--json]\n"
                            "The scenarios that the library has, a line each: for submit, and "
                            "for tests as functions.\n";

static const struct {
        const char *name, *function, *summary;
} scenarios[] = {
#define X(function_, name_, summary_) {name_, "ktstr_" #function_, summary_},
#include "../lib/include/scenarios.h"
#undef X
};

static struct json_object *as_json(void)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < KT_ARRAY_SIZE(scenarios); i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", scenarios[i].name);
                kt_json_add_str(o, "function", scenarios[i].function);
                kt_json_add_str(o, "summary", scenarios[i].summary);
                json_object_array_add(list, o);
        }
        return list;
}

static int run(int argc, char **argv, struct globals *g)
{
        int status = simple_options(&verb_scenarios, argc, argv, g);

        if (status >= 0)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_scenarios, "unexpected argument '%s'", argv[optind]);
        if (g->json) {
                _cleanup_json_ struct json_object *list = as_json();

                return simple_print_json(list);
        }
        for (size_t i = 0; i < KT_ARRAY_SIZE(scenarios); i++)
                printf("%-50s  %s\n", scenarios[i].name, scenarios[i].summary);
        return 0;
}

const struct verb verb_scenarios = {"scenarios", "which workloads there are", usage, run};
