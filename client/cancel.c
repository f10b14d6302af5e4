/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>

#include "simple.h"

static const char usage[] = "ktstrctl cancel JOB...\nAsk jobs to end; their verdict is then `cancelled`.\n";

static int run(int argc, char **argv, struct globals *g)
{
        int status = simple_options(&verb_cancel, argc, argv, g), worst = 0;

        if (status >= 0)
                return status;
        if (optind == argc)
                return verb_usage_error(&verb_cancel, "name a job");
        for (; optind < argc; optind++) {
                _cleanup_json_ struct json_object *reply = NULL;
                struct json_object *params = json_object_new_object();

                kt_json_add_str(params, "job", argv[optind]);
                if (!simple_call(&verb_cancel, g, "io.ktstrd.Job.Cancel", params, &reply, &status))
                        worst = status;
        }
        return worst;
}

const struct verb verb_cancel = {"cancel", "ask jobs to end", usage, run};
