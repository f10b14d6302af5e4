/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "simple.h"

static const char usage[] = "ktstrctl status [--json]\nHow the daemon is.\n";

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *o = NULL;
        int status = simple_options(&verb_status, argc, argv, g);

        if (status >= 0)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_status, "unexpected argument '%s'", argv[optind]);
        if (!simple_call(&verb_status, g, "io.ktstrd.Daemon.Status", NULL, &o, &status))
                return status;
        if (g->json)
                return simple_print_json(o);
        printf("ktstrd %s, pid %lld, uid %lld, up %.1f s%s%s\n", kt_json_str(o, "version"),
               (long long)kt_json_int(o, "pid", 0), (long long)kt_json_int(o, "uid", 0),
               (double)kt_json_int(o, "uptime_ms", 0) / 1000,
               kt_json_bool(o, "private", false) ? ", private" : "",
               kt_json_bool(o, "draining", false) ? ", draining" : "");
        printf("socket       %s, %lld connections\n", kt_json_str(o, "socket"),
               (long long)kt_json_int(o, "connections", 0));
        printf("jobs         %lld running, %lld queued, %lld ended\n",
               (long long)kt_json_int(o, "jobs_running", 0), (long long)kt_json_int(o, "jobs_queued", 0),
               (long long)kt_json_int(o, "jobs_ended", 0));
        printf("kernels      %lld in %s\n", (long long)kt_json_int(o, "kernels", 0),
               kt_json_str(o, "cache_dir"));
        printf("results      %s\n", kt_json_str(o, "state_dir"));
        printf("accelerator  %s\n", kt_json_str(o, "accelerator"));
        printf("pool         %lld guests ready (%.1f MB), %lld being made\n",
               (long long)kt_json_int(o, "guests_idle", 0),
               (double)kt_json_int(o, "guests_idle_bytes", 0) / 1e6,
               (long long)kt_json_int(o, "guests_building", 0));
        if (kt_json_str(o, "pool_failure"))
                printf("             not as it should be: %s; ktstrctl pool tells more\n",
                       kt_json_str(o, "pool_failure"));
        if (kt_json_str(o, "pool_held"))
                printf("             none are made for now: %s\n", kt_json_str(o, "pool_held"));
        printf("memory       %.1f MB\n", (double)kt_json_int(o, "rss_bytes", 0) / 1e6);
        return 0;
}

const struct verb verb_status = {"status", "how the daemon is", usage, run};
