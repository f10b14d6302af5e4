/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "connect.h"
#include "exit_status.h"
#include "units.h"
#include "watch.h"

static const char usage[] = "ktstrctl attach JOB [--since N] [-v] [--json]\n"
                            "Follow a job to its verdict. An interrupt ends the following, not the job.\n\n"
                            "  --since N            only events after number N\n"
                            "  -v                   show all log lines\n"
                            "Exit status: as of submit.\n";

enum {
        OPT_SINCE = 256,
};

static const struct option options[] = {GLOBAL_OPTIONS,
                                        {"since", required_argument, NULL, OPT_SINCE},
                                        {"verbose", no_argument, NULL, 'v'},
                                        {}};

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct watch w = {.verb = &verb_attach, .globals = g};
        struct json_object *params;
        int64_t since = 0;
        int opt, status = 0;

        while ((opt = verb_option(&verb_attach, argc, argv, options, g, &status)) >= 0) {
                if (opt == 'v')
                        w.verbose = true;
                else if (parse_number(optarg, 0, INT64_MAX, &since) < 0)
                        return verb_usage_error(&verb_attach, "--since: '%s' is no number", optarg);
        }
        if (opt == -2)
                return status;
        if (optind + 1 != argc)
                return verb_usage_error(&verb_attach, "name one job");
        if (!client_connect_or_tell(&verb_attach, g, &rpc, &status))
                return status;
        w.what = argv[optind];
        params = json_object_new_object();
        kt_json_add_str(params, "job", argv[optind]);
        kt_json_add_int(params, "since", since);
        if (rpc_send(&rpc, "io.ktstrd.Job.Attach", params, true, NULL, 0, &err) < 0)
                return client_tell(&verb_attach, &err);
        return watch_job(&w, &rpc);
}

const struct verb verb_attach = {"attach", "follow a job to its verdict", usage, run, "v"};
