/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "simple.h"
#include "units.h"

static const char usage[] = "ktstrctl jobs [--limit N] [--json]\n"
                            "The jobs that the daemon knows, the newest first.\n\n"
                            "  --limit N            at most N (default 100)\n";

enum {
        OPT_LIMIT = 256,
};

static const struct option options[] = {GLOBAL_OPTIONS, {"limit", required_argument, NULL, OPT_LIMIT}, {}};

static void print_job(struct json_object *j)
{
        const char *verdict = kt_json_str(j, "verdict"), *what = kt_json_str(j, "scheduler"),
                   *reason = kt_json_str(j, "reason");
        char place[64] = "";

        if (!what)
                what = kt_json_str(j, "build");
        if (!what)
                what = strcmp(kt_json_str(j, "kind"), "exec") == 0 ? "(command)" : "EEVDF";
        if (kt_json_get(j, "position"))
                format_place(kt_json_int(j, "position", 0), kt_json_int(j, "wait_ms", -1), place,
                             sizeof(place));
        printf("%-10s %-8s %-8s %-13s %-20s %-12s %8.1fs  %s\n", kt_json_str(j, "job"),
               kt_json_str(j, "state"), kt_json_str(j, "priority"), verdict ? verdict : "-", what,
               kt_json_str(j, "topology"), (double)kt_json_int(j, "elapsed_ms", 0) / 1000,
               reason ? reason : place);
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params, *jobs;
        int64_t limit = 100;
        int opt, status = 0;

        while ((opt = verb_option(&verb_jobs, argc, argv, options, g, &status)) >= 0)
                if (parse_number(optarg, 1, 100000, &limit) < 0)
                        return verb_usage_error(&verb_jobs, "--limit: '%s' is no number from 1 on", optarg);
        if (opt == -2)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_jobs, "unexpected argument '%s'", argv[optind]);
        params = json_object_new_object();
        kt_json_add_int(params, "limit", limit);
        if (!simple_call(&verb_jobs, g, "io.ktstrd.Job.List", params, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        jobs = kt_json_get(reply, "jobs");
        if (json_object_array_length(jobs) == 0)
                fprintf(stderr, "no jobs yet\n");
        else
                printf("%-10s %-8s %-8s %-13s %-20s %-12s %9s  %s\n", "JOB", "STATE", "PRIORITY", "VERDICT",
                       "SCHEDULER", "TOPOLOGY", "TIME", "REASON");
        for (size_t i = 0; i < json_object_array_length(jobs); i++)
                print_job(json_object_array_get_idx(jobs, i));
        return 0;
}

const struct verb verb_jobs = {"jobs", "list jobs", usage, run};
