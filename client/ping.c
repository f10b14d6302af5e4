/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>

#include "simple.h"

static const char usage[] = "ktstrctl ping\nAsk the daemon for a sign of life.\n";

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        int status = simple_options(&verb_ping, argc, argv, g);

        if (status >= 0)
                return status;
        return simple_call(&verb_ping, g, "io.ktstrd.Daemon.Ping", NULL, &reply, &status) ? 0 : status;
}

const struct verb verb_ping = {"ping", NULL, usage, run};
