/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>

#include "simple.h"

static const char usage[] =
        "ktstrctl drain\nLet the daemon take no more jobs, finish those it has, and leave.\n";

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct globals here = *g;
        int status = simple_options(&verb_drain, argc, argv, &here);

        if (status >= 0)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_drain, "unexpected argument '%s'", argv[optind]);
        here.no_autostart = true; /* starting one to end it makes no sense */
        return simple_call(&verb_drain, &here, "io.ktstrd.Daemon.Drain", NULL, &reply, &status) ? 0 : status;
}

const struct verb verb_drain = {"drain", "let the daemon finish and leave", usage, run};
