/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "exit_status.h"
#include "simple.h"

static const char usage[] =
        "ktstrctl doctor [--json]\n"
        "Look at everything that a job needs, and say what is wrong and what to do.\n\n"
        "Exit status: 0 when nothing stands in the way of a job, 1 when something does.\n";

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *o = NULL;
        struct json_object *accelerators, *findings;
        int status = simple_options(&verb_doctor, argc, argv, g), problems = 0;

        if (status >= 0)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_doctor, "unexpected argument '%s'", argv[optind]);
        if (!simple_call(&verb_doctor, g, "io.ktstrd.Daemon.Doctor", NULL, &o, &status))
                return status;
        accelerators = kt_json_get(o, "accelerators");
        findings = kt_json_get(o, "findings");
        for (size_t i = 0; i < json_object_array_length(findings); i++)
                problems +=
                        strcmp(kt_json_str(json_object_array_get_idx(findings, i), "level"), "problem") == 0;
        if (g->json) {
                simple_print_json(o);
                return problems ? EXIT_STATUS_FAIL : 0;
        }
        for (size_t i = 0; i < json_object_array_length(accelerators); i++) {
                struct json_object *a = json_object_array_get_idx(accelerators, i);

                printf("%-8s %s%s: %s (%.1f ms)\n", kt_json_str(a, "name"),
                       kt_json_bool(a, "usable", false) ? "usable" : "unusable",
                       kt_json_bool(a, "chosen", false) ? ", chosen" : "", kt_json_str(a, "reason"),
                       (double)kt_json_int(a, "probe_us", 0) / 1000);
        }
        for (size_t i = 0; i < json_object_array_length(findings); i++) {
                struct json_object *f = json_object_array_get_idx(findings, i);
                const char *next = kt_json_str(f, "next");

                printf("%-8s %s: %s\n", kt_json_str(f, "level"), kt_json_str(f, "subject"),
                       kt_json_str(f, "message"));
                if (next)
                        printf("%-8s next: %s\n", "", next);
        }
        return problems ? EXIT_STATUS_FAIL : 0;
}

const struct verb verb_doctor = {"doctor", "what this host can do, and what is wrong", usage, run};
